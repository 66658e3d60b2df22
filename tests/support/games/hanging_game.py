"""A game in one process with its tests: the action "hang" waits until the test lets it go on."""

import threading

import gymnasium
from gymnasium.spaces import Text

ID = "support.games.hanging_game:Hanging-v0"
go_on = threading.Event()
hanging = threading.Semaphore(0)
closed = threading.Semaphore(0)


class HangingEnv(gymnasium.Env):
    observation_space = action_space = Text(100)

    def reset(self, *, seed=None, options=None):
        return "ready", {}

    def step(self, action):
        if action == "hang":
            hanging.release()
            go_on.wait()
        return action, 0.0, False, False, {}

    def close(self):
        closed.release()


class HangingThreadEnv(HangingEnv):
    metadata = {"render_modes": [], "runs_in_threads": True}  # noqa: RUF012


if "Hanging-v0" not in gymnasium.registry:
    gymnasium.register("Hanging-v0", HangingEnv, disable_env_checker=True)
    gymnasium.register("HangingThread-v0", HangingThreadEnv, disable_env_checker=True)
