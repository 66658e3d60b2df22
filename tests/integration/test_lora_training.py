"""LoRA from end to end, with merged weights and with hot adapters: exact log-probs, evaluation."""

import pytest

from rllib_gigpo.cli.commands.evaluate import evaluate_checkpoint
from rllib_gigpo.weights.checksum import weights_checksum


@pytest.fixture(scope="module", params=[pytest.param("merged", marks=pytest.mark.slow), "adapter"])
def trained(request, ray_session, corridor_config, tmp_path_factory):
    config = corridor_config(kl_coeff=0.01, kl={"target": 0.1}, penalties={"admissible": 0.1})
    config.llm(lora={"rank": 4, "alpha": 16, "sync": request.param})
    algorithm = config.build_algo()
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


def test_the_engine_holds_what_the_learner_has_trained(trained):
    algorithm = trained[0]
    exported = dict(algorithm.learner_group._learner.export_weights())
    is_hot = algorithm.config.lora["sync"] == "adapter"
    assert all((".lora_" in name) is is_hot for name in exported)
    engine = algorithm.env_runner.module.engine
    assert engine.weights_checksum() == weights_checksum(
        exported.items(), tied_head="lm_head.weight"
    )


def test_a_checkpoint_is_evaluated_with_its_merged_weights(trained):
    algorithm, _, folder = trained
    mine = algorithm.evaluate()["env_runners"]
    restored = evaluate_checkpoint(folder)["env_runners"]
    assert restored["num_episodes"] == mine["num_episodes"] == 4
    assert restored["episode_return_mean"] == mine["episode_return_mean"]
    assert restored["episode_len_mean"] == mine["episode_len_mean"]
