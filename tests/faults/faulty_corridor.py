"""A corridor with one fault, which the processes of a run can import."""

import os
import random
import threading
import time
from pathlib import Path

from rllib_gigpo.envs.corridor import CorridorEnv

# What step() changes in its response (observation, reward, terminated, truncated, info).
SAYS = {
    "observation": lambda o, r, te, tr, info: (3, r, te, tr, info),
    "surrogate": lambda o, r, te, tr, info: (o + " \ud83d", r, te, tr, info),
    "info": lambda o, r, te, tr, info: (o, r, te, tr, [info]),
    "no actions": lambda o, r, te, tr, info: (o, r, te, tr, info | {"admissible_actions": None}),
    "actions": lambda o, r, te, tr, info: (o, r, te, tr, info | {"admissible_actions": [None, 3]}),
    "letters": lambda o, r, te, tr, info: (o, r, te, tr, info | {"admissible_actions": "go left"}),
    "anchor": lambda o, r, te, tr, info: (o, r, te, tr, info | {"anchor": float("nan")}),
    "list": lambda o, r, te, tr, info: (o, r, te, tr, info | {"anchor": ["a"]}),
    "reward": lambda o, r, te, tr, info: (o, 1e308, te, tr, info),
    "flags": lambda o, r, te, tr, info: (o, r, "no", tr, info),
    "pickle": lambda o, r, te, tr, info: (o, r, te, tr, info | {"lock": threading.Lock()}),
}


class FaultyCorridor(CorridorEnv):
    """A corridor of length 3.

    The ``env_config`` may have ``says`` (a key of SAYS) for the step number ``at`` of every third
    seed; ``failing_share`` of all steps that raise; ``hangs_until`` a file exists, which the call
    that hangs first makes if ``hangs_once``; ``step_s``, the seconds of a step, which are ten times
    as many in the first process that writes its number into ``slow_file``.
    """

    def __init__(self, config):
        super().__init__(length=3, max_steps=6)
        self.faults = config
        self.number, self.seed = 0, 0
        self.is_slow = "slow_file" in config and is_first_process(Path(config["slow_file"]))

    def reset(self, *, seed=None, options=None):
        self.number, self.seed = 0, seed
        observation, info = super().reset(seed=seed, options=options)
        return observation, {**info, "tags": ["slow" if self.is_slow else "fast"]}

    def step(self, action):
        self.number += 1
        self._hang()
        time.sleep(self.faults.get("step_s", 0) * (10 if self.is_slow else 1))
        if random.random() < self.faults.get("failing_share", 0):
            raise OSError("the game's server is gone")
        response = super().step(action)
        says = SAYS.get(self.faults.get("says"))
        if says and self.number == self.faults.get("at", 1) and self.seed % 3 == 0:
            return says(*response)
        return response

    def _hang(self):
        file = self.faults.get("hangs_until")
        if file is None or Path(file).exists():
            return
        if self.faults.get("hangs_once"):
            Path(file).touch()
        threading.Event().wait()


def is_first_process(file):
    """Return whether this process was the first to write its number into a file."""
    try:
        with file.open("x") as stream:
            stream.write(str(os.getpid()))
    except FileExistsError:
        pass
    return file.read_text() == str(os.getpid())
