"""An experiment for `rllib train file` that trains nothing; success rises by 0.1 per iteration."""

import json
from pathlib import Path
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.tune import PlacementGroupFactory, Trainable


class FakeAlgorithm(Trainable):
    """A trainable that counts its iterations.

    It fails in iteration ``env_config["fails_at"]``, and in the save after ``"save_fails_at"``.
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> PlacementGroupFactory:
        return PlacementGroupFactory([{"CPU": config["num_env_runners"]}])

    def setup(self, config: dict[str, Any]) -> None:
        self._count = 0
        self._fails_at = config["env_config"].get("fails_at")
        self._save_fails_at = config["env_config"].get("save_fails_at")

    def step(self) -> dict[str, Any]:
        self._count += 1
        note = self.config.get("note")
        if self._fails_at == self._count:
            raise RuntimeError("the engine is on fire")
        return {
            "env_runners": {"success_rate": self._count / 10},
            "timers": {"sample_s": 0.5},
            "lr": self.config["lr"],
            "note": note() if callable(note) else note,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        if self._save_fails_at == self._count:
            raise OSError(28, "No space left on device")
        Path(checkpoint_dir, "rllib_checkpoint.json").write_text(json.dumps(self._count))

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        self._count = json.loads(Path(checkpoint_dir, "rllib_checkpoint.json").read_text())
        self._iteration = self._count  # as Algorithm.set_state() does


class FakeConfig(AlgorithmConfig):
    """A config that sends the trials only what they need, so workers need not import RLlib."""

    def to_dict(self) -> dict[str, Any]:
        names = ("env_config", "num_env_runners", "lr")
        return {name: getattr(self, name) for name in names} | getattr(self, "more", {})


config = FakeConfig(algo_class=FakeAlgorithm).environment("unused")
config.env_runners(num_env_runners=1)
stop = {"training_iteration": 3}
