"""A resumed run equals an uninterrupted one: tasks, tokens, learning rate and weights."""

import pytest
import torch
from ray.rllib.algorithms.algorithm import Algorithm

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.errors import CheckpointError, GiGPOError
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer


def played(algorithm):
    """Return the task seeds and response token ids of every episode so far."""
    return [
        (
            episode.custom_data[columns.TASK],
            [record.response_token_ids for record in step_records([episode])],
        )
        for batch in algorithm.batches
        for episode in batch["episodes"]
    ]


def weights(algorithm):
    return dict(algorithm.learner_group._learner.export_weights())


def test_a_run_cut_in_two_repeats_the_uncut_one_token_by_token(build, corridor_config, tmp_path):
    def config():
        return corridor_config(
            lr_schedule={"name": "linear", "decay_iterations": 4, "warmup_iterations": 1}
        )

    uncut = build(config())
    uncut_results = [uncut.train() for _ in range(3)]
    first = build(config())
    first.train()
    first.save_to_path(str(tmp_path / "checkpoint"))
    first.stop()
    second = Algorithm.from_checkpoint(str(tmp_path / "checkpoint"))
    second.batches = []
    results = [second.train() for _ in range(2)]
    try:
        assert played(first) + played(second) == played(uncut)
        assert results[-1]["training_iteration"] == 3
        assert results[-1]["policy_version"] == 3
        key = "default_optimizer_learning_rate"
        rates = [r["learners"]["default_policy"][key] for r in results]
        uncut_rates = [r["learners"]["default_policy"][key] for r in uncut_results[1:]]
        assert rates == pytest.approx(uncut_rates)
        lifetime = "num_env_steps_sampled_lifetime"
        assert results[-1][lifetime] == uncut_results[-1][lifetime]
        expected = weights(uncut)
        for name, tensor in weights(second).items():
            torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6)
    finally:
        second.stop()


def test_a_checkpoint_of_another_model_is_refused_with_both_described(
    build, corridor_config, tmp_path
):
    algorithm = build(corridor_config().inference(engine="transformers"))
    algorithm.save_to_path(str(tmp_path / "checkpoint"))
    other = tmp_path / "other"
    tokenizer = build_tokenizer(["go left", "go right"] * 50, 320)
    build_model(tokenizer, hidden_size=128, num_layers=1, num_heads=2).save_pretrained(other)
    tokenizer.save_pretrained(other)
    config = corridor_config().inference(engine="transformers")
    bigger = build(config.llm(model_path=str(other)))
    with pytest.raises(CheckpointError, match=r"hidden size 64.*hidden size 128"):
        bigger.restore_from_path(str(tmp_path / "checkpoint"))
    assert issubclass(CheckpointError, GiGPOError)
