"""Whatever an environment does, ``check_env`` ends with a report."""

import gymnasium as gym
import numpy as np
import pytest

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.tools.call_space import CallSpace
from rllib_gigpo.envs.tools.call_text import ToolCall, write_calls


def fail(error):
    raise error


class Unreadable:
    """An object that can be neither compared nor shown."""

    __hash__ = None

    def __eq__(self, other):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


class Panic(BaseException):
    pass


def says(observation="a", reward=0.0, terminated=True, **info):
    return lambda env, action: (observation, reward, terminated, False, info)


# What an environment is told to do instead -> a part of the problem that is reported.
ODD = {
    "exits": (
        {"step": lambda *a: fail(SystemExit(3))},
        "random play with seed 0 raised SystemExit",
    ),
    "panics": ({"step": lambda *a: fail(Panic("oh"))}, "raised Panic: oh"),
    "exits in close": ({"close": lambda env: fail(SystemExit(4))}, "close() raised SystemExit: 4"),
    "exits at once": (
        {"__init__": lambda *a: fail(SystemExit(5))},
        "making the environment raised SystemExit: 5",
    ),
    "arrays in info": ({"step": says(won=np.ones(2), task=np.ones(2))}, "info['won'] is ndarray"),
    "array of actions": ({"step": says(admissible_actions=np.array(["a", "b"]))}, "is ndarray"),
    "array of flags": ({"step": says(terminated=np.ones(2, bool))}, "terminated is ndarray"),
    "unreadable info": ({"step": says(won=Unreadable(), task=Unreadable())}, "is Unreadable"),
    "unreadable reward": ({"step": says(reward=Unreadable())}, "whose repr fails"),
    "unreadable observation": ({"step": says(Unreadable())}, "is Unreadable, not text"),
    "advice that is no text": ({"step": says(expert_action=np.ones(2))}, "is ndarray, not str"),
}


def make(**methods):
    class Odd(gym.Env):
        observation_space = action_space = gym.spaces.Text(100)

        def __init__(self, config=None):
            pass

        def reset(self, *, seed=None, options=None):
            return "a", {}

        def step(self, action):
            return "b", 0.0, True, False, {}

    for name, method in methods.items():
        setattr(Odd, name, method)
    return Odd


@pytest.mark.fault("B13", promise="check_env reports whatever an environment does.")
@pytest.mark.parametrize("name", ODD)
def test_every_odd_environment_is_a_problem_and_no_error(name):
    methods, problem = ODD[name]
    report = check_env(make(**methods), num_episodes=2, max_steps=3)
    assert any(problem in found for found in report.problems), report


def test_what_is_no_environment_is_a_problem():
    report = check_env(lambda config: object(), num_episodes=2)
    assert "observation_space is missing" in report.problems[0]


@pytest.mark.fault("B20", promise="check_env renders observations in Jinja's sandbox, too.")
def test_a_template_reaches_no_python():
    env = make(
        reset=lambda env, **kwargs: ({"a": 1}, {}),
        step=lambda env, action: ({"a": 1}, 0.0, True, False, {}),
    )
    source = "{{ self.__init__.__globals__ }}"
    report = check_env(env, num_episodes=2, max_steps=2, observation_to_text=source)
    assert "is unsafe" in report.problems[0]


@pytest.mark.parametrize("parameters", [{}, {"parameters": None}], ids=["left out", "null"])
def test_a_tool_without_parameters_is_probed_and_called(parameters):
    schema = {
        "type": "function",
        "function": {"name": "look", "description": "Look.", **parameters},
    }
    env = make(tools=[schema], action_space=CallSpace([schema]))
    assert check_env(env, num_episodes=2, max_steps=3).is_ok
    assert write_calls([ToolCall("look", {})]) in {env.action_space.sample() for _ in range(20)}
