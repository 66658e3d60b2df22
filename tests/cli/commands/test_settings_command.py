"""`rllib settings`: lists every setting with its options, or those of one topic."""

import re

import pytest

from rllib_gigpo.cli.main import main
from rllib_gigpo.config.sections import FIELDS, SECTIONS


def shown(capsys, *arguments):
    assert main(["settings", *arguments]) == 0
    return capsys.readouterr().out


def names(text):
    """Return the names of the printed settings and options, the latter with dots."""
    return re.findall(r"^  (\S+): ", text, flags=re.MULTILINE)


def test_all_settings_are_listed_by_topic_with_default_bounds_and_meaning(capsys):
    text = shown(capsys)
    assert re.findall(r"^(\w+):$", text, flags=re.MULTILINE) == list(SECTIONS)
    assert [name for name in names(text) if "." not in name] == list(FIELDS)
    assert "  group_size: int > 0 = 8\n" in text
    for field in FIELDS.values():
        assert " ".join(field.description.split()) in " ".join(text.split())


def test_a_setting_is_shown_with_its_options(capsys):
    text = shown(capsys, "kl")
    assert names(text) == ["kl", "kl.placement", "kl.estimator", "kl.target", "kl.horizon"]
    assert "  kl.placement: 'loss', 'reward' = 'loss'\n" in text
    assert "towards which `kl_coeff` (β) adapts" in text


def test_the_options_of_a_variant_are_shown_behind_its_name(capsys):
    text = shown(capsys, "policy_loss")
    assert "  policy_loss: one of cispo, gspo, ppo = 'ppo'\n" in text
    assert "  policy_loss.ppo.dual_clip: float or None = 3.0\n" in text
    assert names(shown(capsys, "policy_loss.gspo")) == ["policy_loss.gspo.clip_param_high"]


def test_a_variant_is_shown_alone(capsys):
    found = names(shown(capsys, "hgpo"))
    assert "rule.hgpo.anchor_context" in found
    assert all(name.startswith("rule.hgpo.") for name in found)


def test_a_topic_is_shown_alone(capsys):
    text = shown(capsys, "tasks")
    assert names(text) == list(SECTIONS["tasks"].model_fields)


@pytest.mark.parametrize(
    ("topic", "nearest"),
    [
        ("optimiser", "'optimizer'"),
        ("policy_los", "'policy_loss'"),
        ("kl.targt", "'kl.target'"),
        ("hgp", "'hgpo'"),
    ],
)
def test_an_unknown_topic_names_the_nearest(topic, nearest, capsys):
    assert main(["settings", topic]) == 2
    error = capsys.readouterr().err
    assert f"no topic or setting '{topic}'; the topics are model, inference" in error
    assert f"; did you mean {nearest}" in error
