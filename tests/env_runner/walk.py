"""A small environment, and settings of rollouts that play it."""

import gymnasium as gym

from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.env_runner.rollout import RolloutSettings

SETTINGS = RolloutSettings(max_episode_steps=20, seed=0)
SAMPLING = SamplingSettings(max_tokens=16)
TEMPLATE = (
    "{{ task }} {% for past in history %}[{{ past.observation }}|{{ past.action }}] {% endfor %}"
    "{{ observation }}"
)


class Walk(gym.Env):
    """Count up to ``goal`` by answering "up"; the seed sets where to start."""

    goal = 4

    def __init__(self, config=None):
        self.observation_space = self.action_space = gym.spaces.Text(100)

    def reset(self, *, seed=None, options=None):
        self.position = seed
        return f"at {self.position}", {"task": f"reach {self.goal}"}

    def step(self, action):
        self.position += action == "up"
        won = self.position >= self.goal
        return f"at {self.position}", float(won), won, False, {"won": won}


def finish(rollout):
    for _ in range(5000):
        if rollout.is_done:
            break
        rollout.advance()
    assert rollout.is_done
    return rollout.take_result()
