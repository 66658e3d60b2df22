"""Remote EnvRunners, remote Learners and environment workers: the same numbers, and no hangs."""

import numpy as np
import pytest
import ray

from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.env_runner.pools.env_pool import EnvEvent
from rllib_gigpo.errors import ConfigError, RolloutError, WeightSyncError


@pytest.fixture(scope="module")
def remote(ray_session, corridor_config):
    """Train an Algorithm with a remote EnvRunner, an environment worker and two remote Learners."""
    config = (
        corridor_config()
        .env_runners(num_env_runners=1, num_env_workers=1, num_cpus_per_env_worker=0.5)
        .learners(num_learners=2)
    )
    config.num_cpus_per_env_runner = 0.5
    config.num_cpus_per_learner = 0.5
    algorithm = config.build_algo()
    algorithm.train()
    yield algorithm
    algorithm.stop()


def test_with_remote_runners_no_engine_lives_on_the_driver(remote):
    assert remote.env_runner is None
    assert remote.env_runner_group.num_remote_env_runners() == 1


def test_the_ratio_is_one_across_processes(remote):
    result = remote.train()
    metrics = result["learners"]["default_policy"]
    assert metrics["max_ratio_deviation_fresh"] < 1e-4
    assert metrics["num_skipped_steps"] == 0


def weight_sums(algorithm):
    """Sum each Learner's weights, read from its module because only one Learner exports them."""

    def read(learner):
        weights = learner.module["default_policy"].unwrapped().weights()
        return sum(float(tensor.double().sum()) for _, tensor in weights)

    return [result.get() for result in algorithm.learner_group.foreach_learner(read)]


def test_all_learners_keep_the_same_weights(remote):
    first, second = weight_sums(remote)
    assert first == second


def test_sampling_old_weights_is_refused(remote):
    with pytest.raises(WeightSyncError, match=r"policy version \d+, but sampling needs version 99"):
        remote.sample_source.sample(1, weight_version=99)


@pytest.mark.slow
def test_a_runner_that_dies_comes_back_with_the_newest_weights(remote):
    (actor,) = remote.env_runner_group._worker_manager.actors().values()
    ray.kill(actor, no_restart=False)
    version = remote.policy_version
    result = remote.train()
    assert result["policy_version"] == version + 1
    assert len(remote.batches[-1]["episodes"]) == 8
    for record in step_records(remote.batches[-1]["episodes"]):
        assert set(record.token_versions) == {version}
    assert result["learners"]["default_policy"]["max_ratio_deviation_fresh"] < 1e-4


def test_a_checkpoint_of_remote_learners_is_a_hugging_face_folder_too(remote, tmp_path):
    from transformers import AutoModelForCausalLM

    from rllib_gigpo.learner.checkpoint_model import model_folder

    remote.save_to_path(str(tmp_path))
    saved = AutoModelForCausalLM.from_pretrained(model_folder(tmp_path))
    total = sum(float(t.double().sum()) for t in saved.state_dict().values())
    assert np.isclose(total, weight_sums(remote)[0])


def test_asking_for_more_than_the_cluster_has_is_an_error_at_start(build, corridor_config):
    with pytest.raises(ConfigError, match=r"needs \d+ CPUs, but Ray has"):
        build(corridor_config().env_runners(num_env_runners=64))


def test_an_environment_that_always_fails_stops_the_run_with_its_error(build, corridor_config):
    config = corridor_config().env_runners(max_lost_group_rate=0.1)
    config.environment("rllib_gigpo.envs:Corridor-v0", env_config={"length": 3, "max_steps": 6})
    algorithm = build(config)

    class Broken:
        def __init__(self):
            self.events = []

        def reset(self, slot, seed, *, is_training=True):
            self.events.append(EnvEvent(slot=slot, error="OSError: disk", error_kind="reset"))

        def poll(self):
            events, self.events = self.events, []
            return events

        def wait(self, timeout_s):
            pass

        def close(self):
            pass

    algorithm.env_runner._rollouts._pool = Broken()
    with pytest.raises(RolloutError, match=r"OSError: disk.*check-env"):
        algorithm.train()
