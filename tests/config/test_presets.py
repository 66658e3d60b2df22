"""Presets: all are valid, and "gigpo-verl-agent" computes the advantages of verl-agent."""

import math
import statistics
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rows import Row, columns_of

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.config.presets import PRESETS
from rllib_gigpo.credit.rules import RULES
from rllib_gigpo.errors import ConfigError


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_needs_a_model_and_an_environment_only(name, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    config = GiGPOConfig.preset(name).environment("rllib_gigpo.envs:Corridor-v0")
    config.llm(model_path=str(tmp_path)).validate()


def settings_of(name, folder):
    (folder / "config.json").write_text("{}")
    config = GiGPOConfig.preset(name).environment("rllib_gigpo.envs:Corridor-v0")
    return config.llm(model_path=str(folder)).settings


@pytest.mark.parametrize("name", ["dr-grpo", "dapo", "gspo"])
def test_presets_of_papers_have_no_term_that_their_objectives_lack(name, tmp_path):
    loss = settings_of(name, tmp_path).loss
    assert (loss.kl_coeff, loss.entropy_coeff) == (0.0, 0.0)
    assert getattr(loss.policy_loss, "dual_clip", None) is None


def test_the_preset_gspo_clips_at_the_published_ranges(tmp_path):
    low, high = settings_of("gspo", tmp_path).loss.policy_loss.bounds
    assert (1.0 - low, high - 1.0) == (pytest.approx(3e-4), pytest.approx(4e-4))


def test_the_buffer_of_dapo_is_a_fifth_of_the_answer(tmp_path):
    settings = settings_of("dapo", tmp_path)
    share = settings.credit.penalties.overlong.buffer_tokens / settings.model.max_response_tokens
    assert share == pytest.approx(4096 / 20480, abs=0.001)


def test_two_configs_of_one_preset_share_no_values():
    first, second = (GiGPOConfig.preset("grpo") for _ in range(2))
    first.penalties["format"] = 7.0
    assert second.penalties["format"] == 0.1


def test_an_unknown_preset_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ConfigError, match="gigpo-paper"):
        GiGPOConfig.preset("gigpo")


def rule_of(config):
    return RULES.build(config.rule, {name: getattr(config, name) for name in RULES.given})


def verl_agent(rows, *, gamma, coefficient, weight):
    """Compute GiGPO row by row as verl-agent's ``gigpo/core_gigpo.py`` does ("mean_std_norm")."""

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
    found = rule_of(config)(columns_of(rows, gamma=config.gamma, penalty_mode="row"))
    expected = verl_agent(rows, gamma=0.95, coefficient=0.1, weight=1.0)
    np.testing.assert_allclose(found.total, expected, rtol=1e-5, atol=1e-5)


def test_a_lone_step_keeps_its_score_as_in_verl_agent():
    rule = rule_of(GiGPOConfig.preset("gigpo-verl-agent"))
    found = rule(columns_of([Row(0, 0, 0, 10.0, "a")], penalty_mode="row"))
    assert math.isclose(found.total[0], 10.0, rel_tol=1e-5)
