"""How large the code of the settings is, and what sections and setters share."""

import dataclasses
import inspect
import sys
from pathlib import Path

import pytest
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig, NotProvided

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import settings_size

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.config import sections
from rllib_gigpo.reports.settings_table import setting_rows

SETTERS = {
    "llm": ["model"],
    "inference": ["inference"],
    "prompting": ["prompts"],
    "tasks": ["tasks"],
    "training": ["credit", "loss", "optimizer"],
    "env_runners": ["env_runners"],
    "async_training": ["asynchrony"],
    "learners": ["learners"],
    "reporting": ["reporting"],
}
ROWS = [row for section in sections.SECTIONS.values() for row in setting_rows(section)]


def fields_of(setter):
    return {
        name: field
        for title in SETTERS[setter]
        for name, field in sections.SECTIONS[title].model_fields.items()
    }


def own_keywords(setter):
    method = inspect.unwrap(getattr(GiGPOConfig, setter))
    parameters = inspect.signature(method).parameters.values()
    return {one.name: one for one in parameters if one.kind == one.KEYWORD_ONLY}


def test_the_code_of_the_settings_is_small():
    assert settings_size.num_lines() <= settings_size.MAX_LINES


def test_a_settings_name_stands_in_few_places():
    """Counts names and strings equal to the name in code, but no docstrings and messages."""
    assert settings_size.occurrences_per_name(with_options=True) <= 3


def test_every_section_has_a_setter():
    assert sorted(one for titles in SETTERS.values() for one in titles) == sorted(sections.SECTIONS)


@pytest.mark.parametrize("setter", SETTERS)
def test_a_setters_signature_has_the_fields_of_its_sections(setter):
    own, fields = own_keywords(setter), fields_of(setter)
    host = getattr(AlgorithmConfig, setter, None)
    of_rllib = set(inspect.signature(host).parameters) if host else set()
    assert set(own) == set(fields) - of_rllib  # RLlib's own, such as lr, are passed on
    assert all(one.default is NotProvided for one in own.values())
    assert all(one.annotation is not one.empty for one in own.values())
    assert all(name in getattr(GiGPOConfig, setter).__doc__ for name in fields)


def test_training_has_few_keywords():
    assert len(own_keywords("training")) <= 28


def test_every_setting_says_what_it_means():
    assert [row.name for row in ROWS if not row.meaning] == []


def test_every_setting_is_an_attribute_of_the_config():
    assert set(sections.FIELDS) <= set(vars(GiGPOConfig()))


def test_no_setting_takes_a_name_of_rllibs_setters_or_of_ours():
    methods = {name for name, _ in inspect.getmembers(GiGPOConfig, inspect.isfunction)}
    assert set(sections.FIELDS) & methods == set()


def test_the_defaults_of_a_config_are_those_of_its_sections(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    config = GiGPOConfig().environment("a:B-v0").llm(model_path=str(tmp_path))
    for title, section in sections.SECTIONS.items():
        fresh = dict(section()) | {"model_path": str(tmp_path)}
        found = dict(getattr(config.settings, title))
        assert found == {name: fresh[name] for name in found}


def test_records_of_options_and_variants_are_frozen():
    variants = [
        kind
        for field in sections.FIELDS.values()
        for mark in field.metadata
        if hasattr(mark, "known")
        for kind in mark.known.values()
    ]
    assert variants
    assert all(kind.__dataclass_params__.frozen for kind in variants)
    assert all(dataclasses.is_dataclass(kind) for kind in variants)


def test_a_config_from_an_older_checkpoint_gets_the_defaults_of_newer_settings():
    config = GiGPOConfig().environment("a:B-v0")
    mistakes = sections.read(config)[1]
    del config.__dict__["minibatch_by"]
    assert sections.read(config)[1] == mistakes  # only the model is missing
