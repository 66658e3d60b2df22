"""Evaluation of a checkpoint that was trained with a KL term needs no reference model."""

import pytest

from rllib_gigpo.cli.commands.evaluate import evaluate_checkpoint
from rllib_gigpo.learner.sharding.sharding import Sharding
from rllib_gigpo.loss.kl import KLSettings


@pytest.mark.parametrize(
    "kl",
    [
        {"target": 0.1},
        {"target": 0.1, "placement": "reward"},
        KLSettings(target=0.1, placement="reward"),
    ],
    ids=["loss", "reward", "object"],
)
def test_a_run_that_steered_its_divergence_is_evaluated_without_a_reference(
    build, corridor_config, tmp_path, monkeypatch, kl
):
    config = corridor_config(kl_coeff=0.01, kl=kl)
    algorithm = build(config.inference(engine="support.quick_engine:QuickEngine"))
    algorithm.train()
    algorithm.save_to_path(str(tmp_path))

    def refuse(self, model):
        raise AssertionError("a reference was made")

    monkeypatch.setattr(Sharding, "reference", refuse)
    result = evaluate_checkpoint(tmp_path, [("num_test_tasks", 3)])
    assert result["env_runners"]["num_episodes"] == 3
