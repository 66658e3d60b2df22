"""A run that rewards uncertainty, with real Ray and real vLLM, and a run that does not."""

import numpy as np
import pytest

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.reports.transcripts import transcript_lines


@pytest.fixture(
    scope="module", params=["vllm", pytest.param("transformers", marks=pytest.mark.slow)]
)
def trained(request, ray_session, corridor_config):
    config = corridor_config(uncertainty_reward={"coeff": 0.5}, gamma=1.0)
    algorithm = config.inference(engine=request.param).build_algo()
    yield algorithm, algorithm.train()
    algorithm.stop()


def test_failed_episodes_earn_their_uncertainty_and_successes_earn_what_they_did(trained):
    algorithm, _ = trained
    (batch,) = algorithm.batches
    earned = np.concatenate([episode.get_rewards() for episode in batch["episodes"]])
    added, won = batch[columns.REWARDS] - earned, batch[columns.WON]
    assert not added[won].any()
    assert (added[~won] > 0).all()
    for trajectory in np.unique(batch[columns.TRAJECTORY_IDS][~won]):
        assert 0 < added[batch[columns.TRAJECTORY_IDS] == trajectory].sum() <= 0.5


def test_transcripts_tell_what_the_environment_paid_apart_from_what_was_added(trained):
    (batch,) = trained[0].batches
    lines = list(transcript_lines(batch, num_groups="all"))
    paid = [step.reward for step in step_records(batch["episodes"])]
    assert sorted(line["env_reward"] for line in lines) == sorted(paid)
    assert any(line["rewards"] > line["env_reward"] for line in lines)


def test_the_records_hold_the_numbers_of_every_token(trained):
    for record in step_records(trained[0].batches[0]["episodes"]):
        found = record.uncertainty
        num_tokens = len(record.response_token_ids)
        assert (found.entropy.shape, found.top_logp.shape) == ((num_tokens,), (num_tokens, 2))
        assert (found.entropy <= np.log(found.vocab_size) + 1e-5).all()
        assert (found.top_logp[:, 0] >= record.rollout_logp - 1e-5).all()
        assert (found.top_logp[:, 0] >= found.top_logp[:, 1]).all()


def test_the_metrics_say_how_uncertain_failures_are_and_evaluation_asks_for_nothing(trained):
    algorithm, result = trained
    credit, won = result["credit"], algorithm.batches[0][columns.WON]
    assert 0 < credit["uncertainty_of_failures"] <= 1
    assert credit["uncertainty_rewarded_share"] == pytest.approx((~won).mean())
    played = algorithm.play_test_tasks()
    assert {record.uncertainty for record in step_records(played.episodes)} == {None}


def test_a_run_that_does_not_ask_gets_no_uncertainty(build, corridor_config):
    algorithm = build(corridor_config())
    result = algorithm.train()
    records = step_records(algorithm.batches[0]["episodes"])
    assert {record.uncertainty for record in records} == {None}
    assert not any("uncertainty" in name for name in result["credit"])
