"""The Algorithm's own small parts; whole iterations are in `tests/integration`."""

from types import SimpleNamespace

import pytest

from rllib_gigpo.gigpo import GiGPO


class FakeRunnerGroup:
    """Notes what its one engine was told, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        engine = SimpleNamespace(
            sleep=lambda: self.calls.append("sleep"), wake=lambda: self.calls.append("wake")
        )
        self._runner = SimpleNamespace(module=SimpleNamespace(engine=engine))

    def foreach_env_runner(self, function):
        return [function(self._runner)]


def make_algorithm(*, share_gpu: bool) -> SimpleNamespace:
    return SimpleNamespace(
        config=SimpleNamespace(share_gpu=share_gpu), env_runner_group=FakeRunnerGroup()
    )


def test_engines_that_share_a_gpu_sleep_over_update_and_sync():
    algorithm = make_algorithm(share_gpu=True)
    calls = algorithm.env_runner_group.calls

    with GiGPO._engines_asleep(algorithm):
        calls += ["learn", "sync"]

    assert calls == ["sleep", "learn", "sync", "wake"]


def test_engines_that_share_a_gpu_wake_after_a_fault_too():
    algorithm = make_algorithm(share_gpu=True)

    with pytest.raises(RuntimeError, match="out of memory"), GiGPO._engines_asleep(algorithm):
        raise RuntimeError("out of memory")

    assert algorithm.env_runner_group.calls == ["sleep", "wake"]


def test_engines_with_a_gpu_of_their_own_stay_awake():
    algorithm = make_algorithm(share_gpu=False)

    with GiGPO._engines_asleep(algorithm):
        pass

    assert algorithm.env_runner_group.calls == []
