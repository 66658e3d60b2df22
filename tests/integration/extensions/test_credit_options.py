"""Other credit rules and losses end to end, with real rollouts and real updates."""

import math

import numpy as np
import pytest

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records


@pytest.fixture(scope="module")
def trained(ray_session, corridor_config):
    """Train one iteration with everything on that is off by default."""
    config = corridor_config(
        rule={"name": "hgpo", "anchor_context": 1},
        policy_loss="gspo",
        clip_param=0.2,
        loss_aggregation="seq_mean_token_mean",
        old_logp="recompute",
        importance_sampling="sequence",
        kl_coeff=0.01,
        kl={"estimator": "k2", "target": 0.1},
        dynamic_sampling={"max_resamples": 2},
        penalties={"overlong": {"buffer_tokens": 2, "weight": 0.5}, "filter_overlong": True},
    )
    algorithm = config.build_algo()
    yield algorithm, algorithm.train()
    algorithm.stop()


def test_the_engine_and_the_recomputed_log_probs_agree(trained):
    metrics = trained[1]["learners"]["default_policy"]
    assert metrics["max_abs_logp_diff"] < 1e-4
    assert abs(metrics["rollout_kl"]) < 1e-4
    assert metrics["max_ratio_deviation_fresh"] < 1e-4
    assert metrics["importance_mean"] == pytest.approx(1.0, abs=1e-4)
    assert metrics["importance_capped_share"] == 0.0
    assert metrics["kl_coeff"] == pytest.approx(0.01)


def test_the_batch_has_its_exact_size_whatever_was_filtered(trained):
    algorithm, result = trained
    metrics = result["env_runners"]
    assert len(algorithm.batches[0]["episodes"]) == 8
    assert metrics["num_episodes"] == 8 + 4 * metrics["num_groups_filtered"]
    assert 0.0 <= metrics["filtered_share"] <= 2 / 3 + 1e-9


def test_cut_off_answers_weigh_nothing_and_pay(trained):
    algorithm, result = trained
    batch = algorithm.batches[0]
    records = step_records(batch["episodes"])
    is_cut = np.array([record.finish_reason == "length" for record in records])
    assert is_cut.any()
    assert (batch[columns.TOKEN_ROWS].weights == np.where(is_cut, 0.0, 1.0)).all()
    # The penalty is full at the limit of 4 tokens, half at 3 tokens, and zero below.
    lengths = batch[columns.RESPONSE_LENGTHS]
    expected = 0.5 * np.clip((lengths - 2) / 2, 0, 1)
    np.testing.assert_allclose(batch[columns.PENALTIES], expected)
    assert result["credit"]["overlong_filtered_share"] == pytest.approx(is_cut.mean())


def test_the_step_level_is_the_whole_of_hgpo(trained):
    batch = trained[0].batches[0]
    per_token = np.repeat(batch[columns.STEP_ADVANTAGES], batch[columns.RESPONSE_LENGTHS])
    np.testing.assert_array_equal(batch[columns.ADVANTAGES], per_token)
    assert not batch[columns.EPISODE_ADVANTAGES].any()
    assert math.isfinite(trained[1]["learners"]["default_policy"]["total_loss"])
