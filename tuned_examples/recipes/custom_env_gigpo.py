"""A custom environment: any `gymnasium.Env` with text observations.

    rllib train file tuned_examples/recipes/custom_env_gigpo.py

The agent guesses a number between 1 and 8; each guess narrows the range that it sees. The expert of
the warm start guesses the middle of the range.
"""

import gymnasium as gym

from rllib_gigpo import GiGPOConfig


class GuessEnv(gym.Env):
    """A guessing game whose state is the range of numbers that are left."""

    observation_space = action_space = gym.spaces.Text(100)

    def __init__(self, size: int = 8) -> None:
        self.size = size

    def reset(self, *, seed=None, options=None):
        """Draw the number."""
        super().reset(seed=seed)
        self.secret, self.low, self.high = (
            int(self.np_random.integers(1, self.size + 1)),
            1,
            self.size,
        )
        return self._see()

    def step(self, action):
        """Check the guess and narrow the range."""
        guess = int(action) if action.isdecimal() and len(action) < 9 else 0
        if guess < self.secret:
            self.low = max(self.low, guess + 1)
        elif guess > self.secret:
            self.high = min(self.high, guess - 1)
        won = guess == self.secret
        observation, info = self._see()
        return observation, float(won), won, False, {**info, "won": won}

    def _see(self):
        text = f"The number lies between {self.low} and {self.high}."
        numbers = [str(number) for number in range(1, self.size + 1)]
        middle = str((self.low + self.high) // 2)
        return text, {"admissible_actions": numbers, "expert_action": middle}


gym.register("Guess-v0", entry_point=GuessEnv)

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(lambda env_config: GuessEnv(**env_config))
    .tasks(num_train_tasks=64, num_test_tasks=64, max_episode_steps=4)
    .training(lr=1e-3)
    .warm_start(env="Guess-v0")
    .debugging(seed=0)
)

stop = {"training_iteration": 15}
