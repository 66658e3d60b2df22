"""Presets are valid, documented, and "gigpo-verl-agent" has that system's advantages."""

import ast
import math
import re
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rows import Row, columns_of

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.credit.estimators import make_estimator, settings_from
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.loss.policy_loss import GSPOLoss
from rllib_gigpo.presets import PRESETS

DOCUMENT = Path(__file__).parents[1] / "docs" / "algorithms.md"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_needs_a_model_and_an_environment_only(name, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    config = GiGPOConfig.preset(name).environment("rllib_gigpo.envs:Corridor-v0")
    config.llm(model_path=str(tmp_path)).validate()


def table_rows(text):
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]


def test_the_documents_table_has_every_preset_with_its_source():
    section = DOCUMENT.read_text().partition("\n## Presets")[2].partition("\n### ")[0]
    documented = {name.strip("`"): source for name, source, _ in table_rows(section)}
    assert set(documented) == set(PRESETS)
    for name, source in documented.items():
        assert PRESETS[name].source.startswith(source.replace("`", "")), name


def test_the_document_says_of_each_number_where_it_comes_from():
    section = DOCUMENT.read_text().partition("### Where each number comes from")[2]
    documented = {name: {} for name in PRESETS}
    for numbers, presets, source in table_rows(section.partition("\n### ")[0]):
        assert source
        for name in re.findall("`(.+?)`", presets):
            for number in re.findall("`(.+?)`", numbers):
                setting, _, value = number.partition("=")
                assert setting not in documented[name], (name, setting)
                documented[name][setting] = ast.literal_eval(value)
    for name, preset in PRESETS.items():
        assert documented[name] == preset.settings, name


SCRIPTS = ("gigpo-verl-agent", "gigpo-dapo", "grpo", "rloo", "ppo")


@pytest.mark.parametrize("name", SCRIPTS)
def test_presets_of_scripts_have_what_all_scripts_have_in_common(name):
    # verl-agent's own numbers, docs/algorithms.md.
    common = {"lr": 1e-6, "kl_coeff": 0.01, "format_penalty": 0.1, "old_logp": "recompute"}
    config = GiGPOConfig.preset(name)
    assert {setting: getattr(config, setting) for setting in common} == common


@pytest.mark.parametrize("name", ["dr-grpo", "dapo", "gspo"])
def test_presets_of_papers_have_no_term_that_their_objectives_lack(name):
    config = GiGPOConfig.preset(name)
    assert (config.kl_coeff, config.entropy_coeff, config.dual_clip) == (0.0, 0.0, None)


def test_the_preset_gspo_clips_at_the_ranges_of_its_loss():
    config, loss = GiGPOConfig.preset("gspo"), GSPOLoss()
    assert (config.clip_param, config.clip_param_high) == (loss.clip_low, loss.clip_high)


def test_the_buffer_of_dapo_is_a_fifth_of_the_answer():
    config = GiGPOConfig.preset("dapo")
    share = config.overlong_buffer_tokens / config.max_response_tokens
    assert share == pytest.approx(4096 / 20480, abs=0.001)


def test_an_unknown_preset_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ConfigError, match="gigpo-paper"):
        GiGPOConfig.preset("gigpo")


def verl_agent(rows, *, gamma, coefficient, weight):
    """verl-agent's GiGPO, "mean_std_norm", as `reference/verl-agent.md` tells it, row by row."""

    def std(values):
        return statistics.stdev(values)

    invalid = [coefficient if row.penalty else 0.0 for row in rows]
    episode_rewards = defaultdict(float)
    for row in rows:
        episode_rewards[row.trajectory] += row.reward
    scores = [episode_rewards[row.trajectory] - c for row, c in zip(rows, invalid, strict=True)]
    returns = []
    for row, c in zip(rows, invalid, strict=True):
        later = [r for r in rows if r.trajectory == row.trajectory and r.step >= row.step]
        returns.append(sum(gamma ** (r.step - row.step) * r.reward for r in later) - c)
    result = []
    for index, row in enumerate(rows):
        group = [scores[i] for i, other in enumerate(rows) if other.group == row.group]
        if len(group) == 1:
            episode = scores[index] / (1.0 + 1e-6)
        else:
            episode = (scores[index] - statistics.fmean(group)) / (std(group) + 1e-6)
        cluster = [
            returns[i]
            for i, other in enumerate(rows)
            if (other.group, other.anchor) == (row.group, row.anchor)
        ]
        step = 0.0
        if len(cluster) > 1:
            step = (returns[index] - statistics.fmean(cluster)) / (std(cluster) + 1e-6)
        result.append(episode + weight * step)
    return result


@st.composite
def batches(draw):
    rows, trajectory = [], 0
    for group in range(draw(st.integers(1, 3))):
        for _ in range(draw(st.integers(1, 4))):
            for step in range(draw(st.integers(1, 4))):
                rows.append(
                    Row(
                        group,
                        trajectory,
                        step,
                        draw(st.sampled_from([0.0, 0.0, 10.0, 1.0])),
                        draw(st.sampled_from("abc")),
                        draw(st.sampled_from([0.0, 0.0, 0.1])),
                    )
                )
            trajectory += 1
    return rows


@settings(deadline=None, derandomize=True, database=None)
@given(rows=batches())
def test_the_preset_gigpo_verl_agent_reproduces_its_advantages(rows):
    config = GiGPOConfig.preset("gigpo-verl-agent")
    estimator = make_estimator("gigpo", settings_from(config, "gigpo"))
    found = estimator(columns_of(rows, gamma=config.gamma, penalty_mode=config.penalty_mode))
    expected = verl_agent(rows, gamma=0.95, coefficient=0.1, weight=1.0)
    np.testing.assert_allclose(found.total, expected, rtol=1e-5, atol=1e-5)


def test_a_lone_step_keeps_its_score_as_in_verl_agent():
    config = GiGPOConfig.preset("gigpo-verl-agent")
    estimator = make_estimator("gigpo", settings_from(config, "gigpo"))
    found = estimator(columns_of([Row(0, 0, 0, 10.0, "a")], penalty_mode="score"))
    assert math.isclose(found.total[0], 10.0, rel_tol=1e-5)
