"""Asynchronous training: sampling goes on during updates, and weights change in flight."""

import pytest

from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.errors import ConfigError


@pytest.fixture(scope="module")
def trained(ray_session, corridor_config):
    """Train six iterations with a staleness of at most 1 on two EnvRunners with vLLM.

    Weights travel as differences, which in float32 are at times as large as the weights.
    """
    config = (
        corridor_config(num_groups=3)
        .async_training(max_staleness=1)
        .env_runners(num_env_runners=2)
        .inference(weight_sync="delta")
        .evaluation(evaluation_interval=3)
    )
    config.num_cpus_per_env_runner = 0.5
    algorithm = config.build_algo()
    results = [algorithm.train() for _ in range(6)]
    yield algorithm, results
    algorithm.stop()


def test_a_batch_has_whole_groups_that_are_at_most_one_version_old(trained):
    algorithm, results = trained
    for version, batch in enumerate(algorithm.batches):
        assert len(batch["episodes"]) == 12
        assert [one.custom_data["member"] for one in batch["episodes"]] == [0, 1, 2, 3] * 3
        for record in step_records(batch["episodes"]):
            assert version - 1 <= record.token_versions.min()
            assert record.token_versions.max() <= version
    assert [result["policy_version"] for result in results] == [1, 2, 3, 4, 5, 6]


def test_later_batches_were_played_during_updates(trained):
    _, results = trained
    metrics = [result["env_runners"] for result in results]
    assert metrics[0]["stale_token_share"] == 0.0
    assert all(one["staleness_max"] <= 1 for one in metrics)
    assert sum(one["stale_token_share"] for one in metrics) > 0
    assert sum(metrics[-1]["staleness"].values()) > 0
    assert all(one["queue_length"] <= 3 for one in metrics)  # one batch ahead


def test_the_ratio_on_fresh_tokens_is_one(trained):
    _, results = trained
    fresh = [
        result["learners"]["default_policy"].get("max_ratio_deviation_fresh") for result in results
    ]
    assert fresh[0] is not None  # later batches may have no fresh token
    assert all(one is None or one < 1e-4 for one in fresh)
    assert all(0 < result["learners"]["weight_update_share"] <= 1.0 for result in results)


def test_no_task_is_played_twice(trained):
    algorithm, _ = trained
    groups = [
        one.custom_data["group_id"] for batch in algorithm.batches for one in batch["episodes"]
    ]
    assert len(set(groups)) == 6 * 3


def test_an_evaluation_has_one_version(trained):
    algorithm, results = trained
    assert results[2]["evaluation"]["env_runners"]["num_episodes"] == 4
    episodes = algorithm.play_test_tasks().episodes
    versions = {
        int(version) for record in step_records(episodes) for version in record.token_versions
    }
    assert versions == {algorithm.policy_version}


@pytest.mark.slow
def test_a_resumed_run_draws_what_no_batch_has_had(trained, build, corridor_config, tmp_path):
    algorithm, _ = trained
    used = {one.custom_data["group_id"] for batch in algorithm.batches for one in batch["episodes"]}
    algorithm.save_to_path(str(tmp_path))
    config = (
        corridor_config(num_groups=3).async_training(max_staleness=1).env_runners(num_env_runners=1)
    )
    config.num_cpus_per_env_runner = 0.5
    resumed = build(config)
    resumed.restore_from_path(str(tmp_path))
    resumed.train()
    resumed.train()
    groups = [one.custom_data["group_id"] for one in resumed.batches[0]["episodes"]]
    unused = [group for group in range(100) if group not in used]
    assert sorted(set(groups)) == unused[:3]


def test_without_remote_runners_asynchrony_is_refused(corridor_config):
    with pytest.raises(
        ConfigError, match=r"max_staleness needs remote EnvRunners.*num_env_runners=1"
    ):
        corridor_config().async_training(max_staleness=1).validate()


def test_with_a_shared_gpu_asynchrony_is_refused(corridor_config):
    config = corridor_config().async_training(max_staleness=1).inference(share_gpu=True)
    with pytest.raises(ConfigError, match="sleeps during updates"):
        config.validate()
