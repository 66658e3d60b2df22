"""`GroupEnvRunner` with a rollout whose environments hang."""

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import LostGroup, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner

TASK = GroupTask(0, 7, group_size=1, sampling=SamplingSettings())


class StalledRollout:
    """A rollout that has just given up waiting for its environments."""

    is_stalled = is_done = True

    def advance(self):
        pass

    def take_result(self):
        return SampleResult(lost=[LostGroup(TASK, "timeout", "no answer")])


class Pool:
    is_closed = False

    def close(self):
        self.is_closed = True


def test_a_stall_costs_its_groups_and_the_environments_are_made_again():
    runner = GroupEnvRunner.__new__(GroupEnvRunner)  # without an engine
    runner._rollout, runner._envs = StalledRollout(), Pool()
    pool = runner._envs

    result = runner.poll()

    assert [lost.kind for lost in result.lost] == ["timeout"]
    assert pool.is_closed
    assert runner._envs is None
    assert runner.is_idle
