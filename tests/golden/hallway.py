"""The environment of the recorded episodes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from rllib_gigpo.envs.corridor import CorridorEnv

_PLACES = (
    "A red rug lies on the floor.",
    "A tall clock ticks.",
    "Two lamps burn.",
    "The wall is green and bare.",
    "A window looks out on the sea.",
    "Old coats hang here.",
)
_WEATHER = ("It rains.", "It rained.")


class Hallway(CorridorEnv):
    """`Corridor` with longer texts, small rewards on the way, and infos that differ by task.

    A step costs 0.03, and a door that is new in the episode earns 0.1. The weather changes with
    every step, so the texts of a door are similar but not equal. The seed modulo 4 determines the
    infos: 0 has anchors without weather, 1 no anchors, 2 no tags, 3 anchors with weather.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start the task ``seed``."""
        text, info = super().reset(seed=seed, options=options)
        self._kind, self._seen = (seed or 0) % 4, {self._position}
        return self._text(text), self._changed(info)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Move and adjust the reward."""
        text, reward, terminated, truncated, info = super().step(action)
        reward += 0.1 * (self._position not in self._seen) - 0.03
        self._seen.add(self._position)
        return self._text(text), reward, terminated, truncated, self._changed(info)

    def _text(self, text: str) -> str:
        return f"{text} {_PLACES[self._position]} {self._weather}"

    def _changed(self, info: dict[str, Any]) -> dict[str, Any]:
        tags = {0: ["corridor"], 1: ["corridor", "wet"], 3: ["wet", "corridor"]}
        changed = {name: value for name, value in info.items() if name not in ("anchor", "tags")}
        if self._kind != 1:
            weather = f" {self._weather}" if self._kind == 3 else ""
            changed["anchor"] = f"{info['anchor']} {_PLACES[self._position]}{weather}"
        if self._kind in tags:
            changed["tags"] = tags[self._kind]
        return changed

    @property
    def _weather(self) -> str:
        return _WEATHER[self._num_steps % 2]


gym.register("Hallway-v0", entry_point=Hallway)
