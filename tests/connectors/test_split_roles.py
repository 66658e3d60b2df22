"""Roles: labels, rewards and credit of each role, as if its turns were whole episodes."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.episodes import episode_of, role_episode, step_record

from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.connectors.credit.group_anchors import GroupAnchors
from rllib_gigpo.connectors.credit.read_steps import ReadSteps
from rllib_gigpo.connectors.credit.split_roles import SplitRoles
from rllib_gigpo.credit.anchors import ExactAnchors
from rllib_gigpo.credit.rules import RULES
from rllib_gigpo.errors import ConfigError

LABELS = (columns.GROUP_IDS, columns.TRAJECTORY_IDS, columns.STEP_IDS, columns.REWARDS)


def split(*episodes, **given):
    batch = ReadSteps()(batch=given, episodes=list(episodes))
    return SplitRoles()(batch=batch, episodes=list(episodes))


def test_each_role_is_a_group_and_its_turns_of_an_episode_a_trajectory():
    batch = split(
        role_episode(
            [("guide", 0.0), ("walker", 0.25), ("guide", 0.5), ("walker", 1.0)], group_id=7
        ),
        role_episode([("guide", 1.0), ("walker", 2.0)], group_id=7),
        role_episode([("walker", 4.0)], group_id=9),
    )
    table = list(zip(*(batch[name].tolist() for name in LABELS), strict=True))
    assert table == [
        # (task, role), (episode, role), own turn, what was paid up to the next own turn
        (0, 0, 0, 0.25),
        (1, 1, 0, 0.75),
        (0, 0, 1, 1.5),
        (1, 1, 1, 1.0),
        (0, 2, 0, 3.0),
        (1, 3, 0, 2.0),
        (2, 4, 0, 4.0),
    ]
    assert batch[columns.ROLES] == [
        "guide",
        "walker",
        "guide",
        "walker",
        "guide",
        "walker",
        "walker",
    ]
    assert batch[columns.TAG_IDS].tolist() == [0, 1, 0, 1, 0, 1, 1]


def test_of_two_players_that_are_paid_apart_only_one_wins():
    turns = [("white", 0.0), ("black", 0.0), ("white", 1.0)]
    apart = [*turns[:2], ("white", 1.0, {"role_rewards": {"black": -1.0}})]
    batch = split(role_episode(apart))
    assert batch[columns.REWARDS].tolist() == [0.0, -1.0, 1.0]
    assert batch[columns.WON].tolist() == [True, False, True]
    assert split(role_episode(turns))[columns.WON].tolist() == [True] * 3  # a team


def test_without_roles_nothing_changes():
    episodes = [episode_of([step_record(reward=1.0)] * 2, group_id=7)]
    before = ReadSteps()(batch={}, episodes=episodes)
    after = SplitRoles()(batch=dict(before), episodes=episodes)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def test_one_role_keeps_its_labels_and_gets_the_rewards_in_its_name():
    turns = [("solo", 1.0, {"role_rewards": {"solo": 3.0}}), ("solo", 2.0)]
    batch = split(role_episode(turns, group_id=7), **{columns.BOOTSTRAP_VALUES: np.zeros(2)})
    assert batch[columns.GROUP_IDS].tolist() == [7, 7]
    assert batch[columns.REWARDS].tolist() == [3.0, 2.0]


def test_episodes_with_and_without_roles_share_a_batch():
    plain = episode_of([step_record(reward=1.0), step_record(reward=2.0)], group_id=8)
    batch = split(role_episode([("a", 1.0), ("b", 2.0)]), plain)
    assert batch[columns.GROUP_IDS].tolist() == [0, 1, 2, 2]
    assert batch[columns.STEP_IDS].tolist() == [0, 0, 0, 1]
    assert batch[columns.REWARDS].tolist() == [3.0, 2.0, 1.0, 2.0]


def test_a_critic_is_refused_with_the_names_of_the_roles():
    with pytest.raises(ConfigError, match=r"several roles \(a, b\), and a critic.*rule='gigpo'"):
        split(role_episode([("b", 0.0), ("a", 1.0)]), **{columns.BOOTSTRAP_VALUES: np.zeros(2)})


def test_anchors_are_compared_within_a_role_and_measured_for_each():
    turns = [("a", 0.0, {"anchor": "same"}), ("b", 1.0, {"anchor": "same"})]
    batch = split(role_episode(turns), role_episode(turns))
    batch[columns.STEP_RETURNS] = np.array([0.0, 1.0, 2.0, 1.0])
    metrics = GroupAnchors(ExactAnchors())(batch=batch)[columns.CREDIT_METRICS]
    assert batch[columns.ANCHOR_GROUP_IDS].tolist() == [0, 1, 0, 1]
    assert set(metrics["roles"]) == {"a", "b"}
    assert metrics["roles"]["a"]["recurring_row_share"] == 1.0
    assert metrics["roles"]["a"]["anchor_group_no_spread_share"] == 0.0
    assert metrics["roles"]["b"]["anchor_group_no_spread_share"] == 1.0


# ---------------------------------------------------------------- whole pipelines


@pytest.fixture(scope="module")
def pipeline_of(tmp_path_factory):
    """Return a function that builds the credit pipeline of a config with these settings."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text("{}")

    def build(**training):
        config = GiGPOConfig().environment("rllib_gigpo.envs:Corridor-v0")
        config.llm(model_path=str(folder)).training(gamma=0.5, **training)
        space = gym.spaces.Text(1)
        return config.learners(minibatch_by="episode").build_learner_connector(space, space)

    return build


def run(pipeline, episodes):
    return pipeline(rl_module=None, batch={}, episodes=episodes, explore=True, shared_data={})


def alone(turns, role, *, group_id):
    """Return a role's turns as an episode without roles, paid by hand; None if it never acts."""
    own = [step for step, turn in enumerate(turns) if turn[0] == role]
    if not own:
        return None
    ends = [*own[1:], len(turns)]
    records = [
        step_record(reward=sum(turn[1] for turn in turns[step:end]), **turns[step][2])
        for step, end in zip(own, ends, strict=True)
    ]
    return as_lost(episode_of(records, group_id=group_id))


def as_lost(episode):
    """Leave the end open, so that no episode counts as won."""
    episode.is_terminated = False
    return episode


turn = st.tuples(
    st.sampled_from(["a", "b"]),
    st.floats(-4, 4).map(lambda value: round(value, 2)),
    st.fixed_dictionaries({"anchor": st.sampled_from("xyz")}),
)
groups = st.lists(st.lists(turn, min_size=1, max_size=6), min_size=2, max_size=4)


# Those that compare the whole batch, or need a critic, cannot agree; one needs a second model.
RULES_WITHIN_GROUPS = sorted(
    set(RULES.known) - {"reinforce_pp", "ppo", "hiper", "hiper_critic", "istar"}
)


@pytest.fixture(scope="module", params=RULES_WITHIN_GROUPS)
def pipeline(request, pipeline_of):
    plan = "random" if request.param == "tree_grpo" else "from_reset"
    return pipeline_of(rule=request.param, group_plan=plan, num_minibatches=1)


@settings(max_examples=30, deadline=None, phases=[Phase.generate])
@given(groups=groups)
def test_a_roles_credit_is_that_of_its_turns_played_alone(pipeline, groups):
    episodes = [role_episode(turns, group_id=index % 2) for index, turns in enumerate(groups)]
    together = run(pipeline, [as_lost(episode) for episode in episodes])
    acting = np.array([turn[0] for turns in groups for turn in turns])
    for role in set(acting.tolist()):
        single = [alone(turns, role, group_id=index % 2) for index, turns in enumerate(groups)]
        expected = run(pipeline, [episode for episode in single if episode is not None])
        for name in (columns.EPISODE_RETURNS, columns.STEP_RETURNS, columns.ADVANTAGES):
            own = together[name][acting == role]
            np.testing.assert_allclose(own, expected[name], atol=1e-9)


def test_minibatches_hold_whole_episodes_with_all_their_roles(pipeline_of):
    episodes = [role_episode([("a", 0.0), ("b", 1.0)] * 2) for _ in range(6)]
    batch = run(pipeline_of(num_minibatches=3), episodes)
    ids = batch[columns.TOKEN_ROWS].minibatch_ids.reshape(6, 4)
    assert (ids == ids[:, :1]).all()
    assert np.bincount(ids[:, 0]).tolist() == [2, 2, 2]
