"""A corridor for `rllib serve-env` whose steps take a moment and leave a trace."""

import time
from pathlib import Path

import gymnasium

from rllib_gigpo.envs.corridor import CorridorEnv


class ServedCorridor(CorridorEnv):
    """A corridor of length 3 that touches ``trace`` at each step."""

    def __init__(self, trace):
        super().__init__(length=3, max_steps=6)
        self._trace = Path(trace)

    def step(self, action):
        self._trace.touch()
        time.sleep(0.02)
        return super().step(action)


if "ServedCorridor-v0" not in gymnasium.registry:
    gymnasium.register("ServedCorridor-v0", ServedCorridor)
