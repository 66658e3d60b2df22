"""A tiny environment with an expert, which records the seeds of its resets."""

import gymnasium as gym
import pytest

from rllib_gigpo.warm_start import (
    DemonstrationSettings,
    FitSettings,
    TinyModelSettings,
    WarmStartSettings,
)


class SignsEnv(gym.Env):
    """A game of four turns: go where the sign points. The seed determines the signs."""

    seeds_of_resets: list = []  # noqa: RUF012 - shared by all instances on purpose
    num_made = 0

    def __init__(self, directions=("left", "right"), num_steps=4, has_expert=True):
        SignsEnv.num_made += 1
        self.directions, self.num_steps, self.has_expert = directions, num_steps, has_expert
        self.observation_space = gym.spaces.Text(100)
        self.action_space = gym.spaces.Text(100)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        SignsEnv.seeds_of_resets.append(seed)
        self.step_number = 0
        return self.look()

    def step(self, action):
        assert action in self.admissible_actions()
        self.step_number += 1
        observation, info = self.look()
        return observation, 0.0, self.step_number == self.num_steps, False, info

    def look(self):
        self.direction = str(self.np_random.choice(self.directions))
        info = {"task": "Follow the signs.", "admissible_actions": self.admissible_actions()}
        if self.has_expert:
            info["expert_action"] = f"go {self.direction}"
        return f"The sign says: {self.direction}.", info

    def admissible_actions(self):
        return [f"go {direction}" for direction in self.directions]


@pytest.fixture(autouse=True)
def signs_env():
    """Register the environment and return its class, with empty records."""
    if "Signs-v0" not in gym.registry:
        gym.register("Signs-v0", entry_point=SignsEnv, disable_env_checker=True)
    SignsEnv.seeds_of_resets, SignsEnv.num_made = [], 0
    return SignsEnv


@pytest.fixture
def settings():
    """Return settings that are small enough to fit a model in seconds."""
    return WarmStartSettings(
        env="Signs-v0",
        seeds=tuple(range(100, 132)),
        demonstrations=DemonstrationSettings(random_label_probability=0.0),
        tiny_model=TinyModelSettings(vocab_size=300, hidden_size=32, num_layers=2, num_heads=2),
        fit=FitSettings(num_epochs=12, lr=1e-2, batch_tokens=512),
    )
