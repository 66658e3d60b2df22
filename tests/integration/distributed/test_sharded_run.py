"""A run with sharded Learners that send differences: its ratio, and runs that go on from it."""

import pytest
import transformers

from rllib_gigpo.learner.checkpoint_model import model_folder


@pytest.fixture(scope="module")
def sharded(ray_session, corridor_config):
    """Train an Algorithm with two sharded Learners and a remote EnvRunner."""
    config = corridor_config(lr=1e-3, optim="adamw").env_runners(num_env_runners=1)
    config.learners(num_learners=2, sharding="fsdp2").inference(weight_sync="delta")
    config.num_cpus_per_env_runner = 0.5
    config.num_cpus_per_learner = 0.5
    algorithm = config.build_algo()
    algorithm.train()
    yield algorithm
    algorithm.stop()


def test_the_ratio_is_one_after_an_update(sharded):
    result = sharded.train()
    metrics = result["learners"]["default_policy"]
    assert 0 < result["learners"]["weight_update_share"] <= 1.0
    assert metrics["max_ratio_deviation_fresh"] < 1e-4
    assert metrics["num_skipped_steps"] == 0
    assert metrics["num_steps"] > 0


def test_one_learner_goes_on_from_its_checkpoint(sharded, build, corridor_config, tmp_path):
    sharded.save_to_path(tmp_path / "checkpoint")
    folder = model_folder(tmp_path / "checkpoint")
    transformers.AutoTokenizer.from_pretrained(folder)
    transformers.AutoModelForCausalLM.from_pretrained(folder)
    one = build(corridor_config(lr=1e-3, optim="adamw"))
    one.restore_from_path(str(tmp_path / "checkpoint"))
    ours, theirs = (run.train()["learners"]["default_policy"] for run in (sharded, one))
    assert ours["max_ratio_deviation_fresh"] < 1e-4
    assert theirs["max_ratio_deviation_fresh"] < 1e-4
    for name in ("total_loss", "grad_norm", "entropy"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-6)
