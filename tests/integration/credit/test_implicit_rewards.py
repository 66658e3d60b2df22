"""iStar on Corridor: rewards of a second model before credit, its update, its checkpoint."""

import numpy as np
import pytest
from ray.rllib.algorithms.algorithm import Algorithm

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.credit.pair_loss import pair_loss
from rllib_gigpo.credit.rules import IStarRule

BETA = 0.5
LABELS = (columns.GROUP_IDS, columns.TRAJECTORY_IDS, columns.WON)


def istar(corridor_config, **training):
    settings = {"rule": "istar", "process_reward": {"beta": BETA, "lr": 1e-2}, "group_size": 4}
    config = corridor_config(**{**settings, "num_groups": 4, **training})
    config.env_config = {"length": 6, "max_steps": 6}
    # It walks at random, so both outcomes occur; its log-probs are made up, and rewards need none.
    return config.inference(engine="support.quick_engine:QuickEngine")


@pytest.fixture(scope="module")
def trained(ray_session, corridor_config):
    algorithm = istar(corridor_config).build_algo()
    yield algorithm, [algorithm.train() for _ in range(3)]
    algorithm.stop()


def test_a_model_that_equals_the_policy_gives_no_step_credit(trained):
    batch = trained[0].batches[0]
    assert not batch[columns.IMPLICIT_REWARDS].any()
    assert not batch[columns.STEP_ADVANTAGES].any()
    assert batch[columns.EPISODE_ADVANTAGES].any()


def test_later_rewards_are_the_credit_of_steps(trained):
    for batch in trained[0].batches[1:]:
        rewards = batch[columns.IMPLICIT_REWARDS]
        assert len(rewards) == len(step_records(batch["episodes"]))
        assert rewards.all()
        np.testing.assert_array_equal(batch[columns.STEP_ADVANTAGES], IStarRule()(batch).step)
        assert batch[columns.STEP_ADVANTAGES].any()


def test_the_learners_get_the_gradient_of_the_pairs(trained):
    for batch, result in zip(trained[0].batches, trained[1], strict=True):
        group_ids, trajectory_ids, won = (batch[name] for name in LABELS)
        assert 0 < won.sum() < len(won)
        found = pair_loss(batch[columns.IMPLICIT_REWARDS], group_ids, trajectory_ids, won)
        rows = batch[columns.TOKEN_ROWS]
        np.testing.assert_allclose(rows.pair_gradients, BETA * found.gradients, rtol=1e-6)
        assert rows.pair_gradients.any()
        metrics = result["credit"]
        assert metrics["num_pairs"] == found.num_pairs > 0
        assert metrics["pair_loss"] == pytest.approx(found.loss)
        assert metrics["pair_accuracy"] == found.accuracy
        assert {"implicit_reward_of_successes", "implicit_reward_of_failures"} < metrics.keys()


def test_the_size_of_its_gradient_is_reported(trained):
    for result in trained[1]:
        assert result["learners"]["default_policy"]["process_reward_grad_norm"] > 0


@pytest.mark.slow
def test_a_run_cut_in_two_repeats_the_uncut_one(build, corridor_config, trained, tmp_path):
    first = build(istar(corridor_config))
    first.train()
    first.save_to_path(str(tmp_path / "checkpoint"))
    first.stop()
    second = Algorithm.from_checkpoint(str(tmp_path / "checkpoint"))
    second.batches = []
    try:
        results = [second.train() for _ in range(2)]
        for own, other in zip(second.batches, trained[0].batches[1:], strict=True):
            rewards = own[columns.IMPLICIT_REWARDS]
            np.testing.assert_array_equal(rewards, other[columns.IMPLICIT_REWARDS])
        for own, other in zip(results, trained[1][1:], strict=True):
            assert own["credit"]["pair_loss"] == other["credit"]["pair_loss"]
    finally:
        second.stop()


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["ddp", "fsdp2"])
def test_two_learners_repeat_the_run_of_one(build, corridor_config, trained, sharding):
    algorithm = build(
        istar(corridor_config).learners(num_learners=2, num_cpus_per_learner=0.5, sharding=sharding)
    )
    for result, other in zip([algorithm.train() for _ in range(2)], trained[1], strict=False):
        for name in ("num_pairs", "pair_loss", "pair_accuracy"):
            assert result["credit"][name] == pytest.approx(other["credit"][name], rel=1e-4)
