"""Rollout metrics: rates over episodes and steps, computed by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from support.episodes import role_episode

from rllib_gigpo import columns
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import FinishedGroup, LostGroup, RolloutStats, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.errors import EngineError
from rllib_gigpo.sampling.dynamic_sampling import has_spread
from rllib_gigpo.sampling.evaluation import evaluation_metrics
from rllib_gigpo.sampling.rollout_metrics import (
    has_won,
    rollout_metrics,
    wilson_interval,
)

TASK = GroupTask(group_id=0, seed=0, group_size=8, sampling=SamplingSettings())


def episode(
    rewards,
    *,
    won=None,
    tags=(),
    terminated=True,
    valid=True,
    logp=0.0,
    dropped=(),
    message=0,
    lengths=(),
):
    result = SingleAgentEpisode()
    result.add_env_reset("start", {"tags": list(tags)})
    for index, reward in enumerate(rewards):
        is_last = index == len(rewards) - 1
        info = {"won": won} if is_last and won is not None else {}
        result.add_env_step(
            observation="next",
            action="go",
            reward=reward,
            infos=info,
            terminated=terminated and is_last,
            truncated=not terminated and is_last,
            extra_model_outputs={
                columns.STEP_RECORD: SimpleNamespace(
                    is_replayed=False,
                    is_format_valid=valid,
                    is_admissible=valid,
                    is_prompt_cut=False,
                    is_response_cut=False,
                    num_dropped_turns=dropped[index] if dropped else 0,
                    num_message_tokens=message,
                    prompt_token_ids=[0] * (lengths[index] if lengths else 9),
                    role="",
                    rollout_logp=np.array([logp]),
                )
            },
        )
    return result


def of_roles(*turns, won):
    return role_episode(list(turns), last_info={"won": won})


def sampled(*episodes, lost=()):
    stats = RolloutStats(
        num_prompt_tokens=60, num_cached_tokens=45, num_response_tokens=30, num_steps=6, seconds=2.0
    )
    return SampleResult(groups=[FinishedGroup(TASK, list(episodes))], lost=list(lost), stats=stats)


def test_success_counts_each_episode_once_however_long():
    long_failure, short_success = episode([0, 0, 0, 0], won=False), episode([0, 1], won=True)
    metrics = rollout_metrics(sampled(long_failure, short_success))
    assert metrics["success_rate"] == 0.5
    assert metrics["episode_len_mean"] == 3
    assert metrics["episode_return_mean"] == 0.5
    assert metrics["num_env_steps"] == 6
    assert metrics["tokens_per_s"] == 15
    assert metrics["response_tokens_mean"] == 5


def test_a_step_counts_as_a_reset_if_a_conversation_drops_turns_there():
    dropping = [0, 0, 2, 2, 4]
    chat = episode([0] * 5, dropped=dropping, message=7)
    separate = episode([0] * 5, dropped=dropping)  # prompts whose history did not fit
    assert rollout_metrics(sampled(chat, separate))["context_reset_rate"] == 0.2


def test_a_prompt_that_is_longer_than_its_message_continues_another():
    chat = episode([0] * 4, message=7, lengths=[7, 15, 7, 20])  # the third is a new chat
    separate = episode([0] * 4)
    assert rollout_metrics(sampled(chat))["prompt_continued_rate"] == 0.5
    assert rollout_metrics(sampled(separate))["prompt_continued_rate"] == 0


def test_refused_calls_are_a_share_and_without_any_there_is_none():
    assert "refused_call_rate" not in rollout_metrics(sampled(episode([1])))
    one = sampled(episode([1]))
    stats = replace(one.stats, num_refused_calls=2)
    assert rollout_metrics(replace(one, stats=stats))["refused_call_rate"] == 2 / (6 + 2)


def test_prompt_tokens_that_the_engine_took_from_its_cache_are_a_share():
    assert rollout_metrics(sampled(episode([1])))["prompt_cached_share"] == 0.75


def test_validity_counts_each_step_once():
    metrics = rollout_metrics(sampled(episode([0, 0, 0], valid=False), episode([1], valid=True)))
    assert metrics["format_valid_rate"] == 0.25


def test_lost_groups_are_counted_by_kind():
    lost = [
        LostGroup(TASK, "step", "x"),
        LostGroup(TASK, "step", "y"),
        LostGroup(TASK, "reset", "z"),
    ]
    metrics = rollout_metrics(sampled(episode([1]), lost=lost))
    assert metrics["groups_lost"] == {"step": 2, "reset": 1}
    assert metrics["num_episodes_lost"] == 24


@pytest.mark.parametrize(
    ("won", "terminated", "rewards", "expected"),
    [
        (True, False, [0.0], True),
        (False, True, [1.0], False),
        (None, True, [1.0], True),
        (None, False, [1.0], False),
        (None, True, [0.0], False),
    ],
)
def test_the_environment_says_who_won_else_a_terminated_positive_return(
    won, terminated, rewards, expected
):
    assert has_won(episode(rewards, won=won, terminated=terminated)) is expected


def test_tags_have_rows_of_their_own():
    metrics = evaluation_metrics(
        sampled(
            episode([1], won=True, tags=["easy"]),
            episode([0], won=False, tags=["easy", "dark"]),
            episode([0], won=False, tags=["dark"]),
        )
    )
    assert metrics["tags"]["easy"]["success_rate"] == 0.5
    assert metrics["tags"]["easy"]["num_episodes"] == 2
    assert metrics["tags"]["dark"]["success_rate"] == 0.0


def test_wilson_interval_agrees_with_published_values():
    # Newcombe (1998), table I, method 3: 81/263 -> 0.2553 to 0.3662, 15/148 -> 0.0624 to 0.1605,
    # 0/20 -> 0 to 0.1611.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.fault(
    "case 16", promise="An evaluation with meaningless answers reports no success rate."
)
def test_an_evaluation_without_a_finite_log_prob_is_an_error():
    broken, whole = episode([0], logp=np.nan), episode([1])
    with pytest.raises(EngineError, match="log-probs of all 2 answers are NaN"):
        evaluation_metrics(sampled(broken, broken))
    assert evaluation_metrics(sampled(broken, whole))["success_rate"] == 0.5


def test_roles_have_returns_turns_and_success_of_their_own():
    metrics = rollout_metrics(
        sampled(
            of_roles(("guide", 0.0), ("walker", 0.5), ("guide", 0.0), ("walker", 1.0), won=True),
            of_roles(("guide", 2.0), ("walker", 0.0), won=False),
            of_roles(("guide", 0.0), won=False),
        )
    )
    assert metrics["roles"] == {
        "guide": {
            "success_rate": pytest.approx(1 / 3),
            "episode_return_mean": pytest.approx((1.5 + 2.0) / 3),
            "num_turns_mean": pytest.approx(4 / 3),
            "num_episodes": 3,
        },
        # The 2 that was paid before its first turn is lost to the walker.
        "walker": {
            "success_rate": 0.5,
            "episode_return_mean": 0.75,
            "num_turns_mean": 1.5,
            "num_episodes": 2,
        },
    }
    assert metrics["episode_return_mean"] == pytest.approx(3.5 / 3)


def test_roles_that_are_paid_apart_have_no_common_success():
    paid = {"role_rewards": {"black": -1.0}}
    metrics = rollout_metrics(sampled(of_roles(("black", 0.0), ("white", 1.0, paid), won=True)))
    assert "success_rate" not in metrics["roles"]["white"]
    assert metrics["roles"]["white"]["episode_return_mean"] == 1.0
    assert metrics["roles"]["black"]["episode_return_mean"] == -1.0


def test_without_roles_there_are_no_metrics_of_roles():
    assert "roles" not in rollout_metrics(sampled(episode([1.0])))


def test_each_role_resets_its_own_conversation():
    chats = [("a", 2), ("b", 0), ("a", 2), ("b", 1)]  # (role, dropped turns)
    turns = [
        (role, 0.0, {"num_dropped_turns": dropped, "num_message_tokens": 3})
        for role, dropped in chats
    ]
    metrics = rollout_metrics(sampled(role_episode(turns)))
    assert metrics["context_reset_rate"] == 2 / 4  # the first of a, and the second of b


def group_of(*episodes):
    return FinishedGroup(TASK, list(episodes))


def test_a_group_has_spread_if_the_returns_of_one_role_differ():
    def duel(*, black):
        paid = {"role_rewards": {"black": black, "white": -black}}
        return of_roles(("black", 0.0), ("white", 0.0, paid), won=True)

    assert has_spread(group_of(duel(black=1.0), duel(black=-1.0)))
    assert not has_spread(group_of(duel(black=1.0), duel(black=1.0)))
    team = [of_roles(("a", 0.0), ("b", 1.0), won=True), of_roles(("a", 1.0), won=True)]
    assert not has_spread(group_of(*team))  # b has nobody to be compared with


def test_the_share_of_failed_tool_calls_is_counted_where_there_are_tools():
    assert "tool_error_rate" not in rollout_metrics(sampled(episode([1])))
    played = episode([1])
    contents = ("4", "Error: there is no tool 'cuont'.", "Done.", "12")
    results = [{"name": "count", "content": content} for content in contents]
    played.get_infos()[-1]["tool_results"] = results
    assert rollout_metrics(sampled(played))["tool_error_rate"] == 0.25
