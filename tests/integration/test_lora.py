"""LoRA through the whole: engine and Learner agree on merged weights, evaluation, resume."""

import pytest
import torch

from rllib_gigpo.cli.evaluate import evaluate_checkpoint


@pytest.fixture(scope="module")
def trained(ray_session, corridor_config, tmp_path_factory):
    config = corridor_config(kl_coeff=0.01, kl_target=0.1, admissible_penalty=0.1)
    algorithm = config.llm(lora={"rank": 8, "alpha": 16}).build_algo()
    results = [algorithm.train() for _ in range(2)]
    folder = tmp_path_factory.mktemp("checkpoint")
    algorithm.save_to_path(str(folder))
    yield algorithm, results, folder
    algorithm.stop()


def test_the_ratio_on_fresh_data_is_one_before_and_after_an_update(trained):
    for result in trained[1]:
        metrics = result["learners"]["default_policy"]
        assert metrics["max_ratio_deviation_fresh"] < 1e-4
        assert metrics["num_steps"] == 2


def test_a_checkpoint_is_evaluated_with_its_merged_weights(trained):
    algorithm, _, folder = trained
    exported = dict(algorithm.learner_group._learner.export_weights())
    result = evaluate_checkpoint(folder, [("num_test_tasks", 4)])
    assert result["env_runners"]["num_episodes"] == 4
    assert any(value.abs().sum() > 0 for value in exported.values())
    assert all(torch.isfinite(value).all() for value in exported.values())
