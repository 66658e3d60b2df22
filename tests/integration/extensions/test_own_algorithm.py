"""A subclass that replaces parts of the Algorithm, and the calls that engines receive."""

import pytest

from rllib_gigpo import GiGPO
from rllib_gigpo.sampling.sample_source import SampleSource

ENGINE = "support.quick_engine:QuickEngine"


class EachBatchTwice(SampleSource):
    """A sample source that returns every batch in two iterations."""

    def __init__(self, source):
        self._source, self._kept = source, None
        self.versions = []

    def sample(self, num_groups, *, weight_version):
        self.versions.append(weight_version)
        if self._kept is None:
            self._kept = self._source.sample(num_groups, weight_version=weight_version)
            return self._kept
        result, self._kept = self._kept, None
        return result

    def get_state(self):
        return {"versions": self.versions, **self._source.get_state()}

    def set_state(self, state):
        self.versions = state["versions"]
        self._source.set_state(state)


class ReplayGiGPO(GiGPO):
    """A user's subclass that overrides how batches reach training."""

    def make_sample_source(self):
        return EachBatchTwice(super().make_sample_source())


@pytest.fixture
def config(corridor_config):
    return corridor_config().inference(engine=ENGINE)


def engine_of(algorithm):
    return algorithm.env_runner.module.engine


def tasks_of(batch):
    return [episode.id_ for episode in batch["episodes"]]


def test_a_subclass_decides_where_batches_come_from(build, config, tmp_path):
    config.algo_class = ReplayGiGPO
    algorithm = build(config)
    for _ in range(3):
        algorithm.train()
    first, second, third = algorithm.batches
    assert second["episodes"] == first["episodes"]
    assert tasks_of(first) == [f"{group}-{member}" for group in (0, 1) for member in range(4)]
    assert tasks_of(third) == [f"{group}-{member}" for group in (2, 3) for member in range(4)]

    # The state of the source is part of a checkpoint.
    algorithm.save_to_path(str(tmp_path))
    restored = build(config.copy(copy_frozen=False))
    restored.restore_from_path(str(tmp_path))
    assert restored.sample_source.versions == [0, 1, 2]
    restored.train()
    assert tasks_of(restored.batches[0])[0] == "4-0"


def test_evaluation_has_settings_of_its_own(build, config):
    config.tasks(num_test_tasks=6).evaluation(
        evaluation_interval=1,
        evaluation_config={"eval_sampling": {"temperature": 0.0}, "num_test_tasks": 4},
    )
    algorithm = build(config)
    result = algorithm.train()
    assert result["evaluation"]["env_runners"]["num_episodes"] == 4
    temperatures = {True: set(), False: set()}
    for request in engine_of(algorithm).requests:
        is_test = request.request_id.startswith("test-")
        temperatures[is_test].add(request.sampling.temperature)
    assert temperatures == {True: {0.0}, False: {1.0}}


def test_one_runner_plays_training_and_evaluation_at_once(build, config):
    algorithm = build(config)
    runner = algorithm.env_runner
    runner.start(algorithm.make_task_stream().draw(2))
    result = runner.poll()
    assert not result.groups
    runner.start(algorithm.make_evaluation_tasks().group_tasks())
    while not runner.is_idle:
        result += runner.poll()
    sizes = {group.task.group_id: len(group.episodes) for group in result.groups}
    assert sizes == {0: 4, 1: 4, **{f"test-{number}": 1 for number in range(4)}}
    requests = {one.request_id: one.sampling for one in engine_of(algorithm).requests}
    assert len(requests) == len(engine_of(algorithm).requests)
    for request_id, sampling in requests.items():
        temperature = 0.4 if request_id.startswith("test-") else 1.0
        assert (sampling.temperature, sampling.max_tokens) == (temperature, 4)


@pytest.fixture
def sharing(build, config):
    """Build an Algorithm whose engine believes that it shares a GPU with the Learner."""
    algorithm = build(config)
    inference = algorithm.settings.inference.model_copy(update={"share_gpu": True})
    algorithm.settings = algorithm.settings.model_copy(update={"inference": inference})
    return algorithm


def calls_of(engine):
    """Return the calls that the engine received, with repeated ones merged."""
    calls = engine.calls
    return [call for n, call in enumerate(calls) if n == 0 or call != calls[n - 1]]


def test_engines_that_share_a_gpu_sleep_over_update_and_sync(sharing):
    sharing.train()
    assert calls_of(engine_of(sharing)) == ["load 0", "submit", "sleep", "load 1", "wake"]


def test_engines_that_share_a_gpu_wake_after_a_fault_too(sharing, monkeypatch):
    def update(**kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(sharing.learner_group, "update", update)
    with pytest.raises(RuntimeError, match="out of memory"):
        sharing.train()
    assert calls_of(engine_of(sharing)) == ["load 0", "submit", "sleep", "wake"]


def test_engines_with_a_gpu_of_their_own_stay_awake(build, config):
    algorithm = build(config)
    algorithm.train()
    assert calls_of(engine_of(algorithm)) == ["load 0", "submit", "load 1"]
