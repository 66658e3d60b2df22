"""`GroupEnvRunner` without an engine: environments that hang, and where environments run."""

from types import SimpleNamespace

import gymnasium as gym
import pytest
import torch

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.sample_result import LostGroup, SampleResult
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.env_runner.group_env_runner import GroupEnvRunner
from rllib_gigpo.env_runner.pools.env_pool import OverlappingEnvs, SerialEnvs, ThreadedEnvs
from rllib_gigpo.envs.contract import RUNS_IN_THREADS
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.gigpo import GiGPOConfig

TASK = GroupTask(0, 7, group_size=1, sampling=SamplingSettings())


class StalledRollout:
    """A rollout that has just given up waiting for its environments."""

    is_stalled = is_done = True

    def advance(self):
        pass

    def take_result(self):
        return SampleResult(lost=[LostGroup(TASK, "timeout", "no answer")])


class Shared:
    """What rollouts share."""

    is_closed = False

    def close(self):
        self.is_closed = True


def test_a_stall_costs_its_groups_and_the_environments_are_made_again():
    runner = GroupEnvRunner.__new__(GroupEnvRunner)  # without an engine
    runner._rollout, runner._rollouts = StalledRollout(), Shared()

    result = runner.poll()

    assert [lost.kind for lost in result.lost] == ["timeout"]
    assert runner._rollouts.is_closed
    assert runner.is_idle


class Plain(gym.Env):
    """An environment that says nothing about threads."""

    def __init__(self, config=None):
        self.observation_space = self.action_space = gym.spaces.Text(100)


class Declared(Plain):
    metadata = {RUNS_IN_THREADS: True}  # noqa: RUF012


@pytest.fixture
def make_runner():
    """A function that makes a runner with an environment and settings, but without an engine."""

    def make(env, **env_runners):
        settings = GiGPOConfig().env_runners(**env_runners)
        runner = GroupEnvRunner.__new__(GroupEnvRunner)
        runner.config, runner.worker_index, runner._watch = settings, 0, None
        runner._settings = SimpleNamespace(env_runners=settings, inference=settings)
        runner._env_source = SimpleNamespace(name=env.__name__)
        runner._may_thread = bool(env.metadata.get(RUNS_IN_THREADS))
        runner._env_to_module = runner._module_to_env = None
        runner._rollouts = runner._rollout_maker(None, None)
        return runner

    return make


@pytest.mark.parametrize(
    ("env", "settings", "pool"),
    [
        (Plain, {}, SerialEnvs),
        (Declared, {}, OverlappingEnvs),
        (Declared, {"num_env_threads": 0}, SerialEnvs),
        (Plain, {"num_env_threads": 2}, ThreadedEnvs),
        (Declared, {"num_env_threads": 2}, ThreadedEnvs),
    ],
)
def test_environments_run_in_threads_if_they_declare_it_or_the_config_says_so(
    make_runner, env, settings, pool
):
    made = make_runner(env, **settings)._rollouts.make_pool()
    made.close()
    assert type(made) is pool


def test_an_engine_leaves_cpus_to_environments_that_overlap_with_it(make_runner):
    half = max(1, torch.get_num_threads() // 2)
    assert make_runner(Declared)._num_engine_threads() == half
    assert make_runner(Plain)._num_engine_threads() is None
    assert make_runner(Declared, num_env_threads=2)._num_engine_threads() is None


def test_a_program_and_an_environment_cannot_be_mixed(make_runner):
    with pytest.raises(ConfigError, match="evaluation_config: an agent's own program and"):
        make_runner(Plain)._rollout_maker(object(), None)
