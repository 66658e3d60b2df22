"""Several environments as one: each seed belongs to one of them, in fixed shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import gymnasium

from .contract import TAGS, text_space


@dataclass(frozen=True, slots=True)
class Part:
    """One environment of a mixture.

    Attributes:
        env: Gymnasium id.
        env_config: Its keyword arguments.
        share: How many of every ``sum(shares)`` consecutive seeds are its tasks.
        tags: Labels of all its tasks, before those that it gives itself; its id if there are none.
    """

    env: str
    env_config: Mapping[str, Any] = field(default_factory=dict)
    share: int = 1
    tags: Sequence[str] = ()

    @classmethod
    def from_setting(cls, setting: Mapping[str, Any]) -> Part:
        """Read what stands in an ``env_config``.

        Raises:
            ValueError: An unknown key, no id, or a share below 1.
        """
        known = [one.name for one in fields(cls)]
        if not isinstance(setting, Mapping) or "env" not in setting or set(setting) - set(known):
            raise ValueError(
                f"A part of a mixture is a dict with 'env' and maybe {', '.join(known[1:])}, got"
                f" {setting!r}."
            )
        part = cls(**setting)
        if not isinstance(part.share, int) or isinstance(part.share, bool) or part.share < 1:
            raise ValueError(
                f"The share of {part.env!r} must be a whole number of at least 1, got"
                f" {part.share!r}: shares 3 and 1 give three groups of four to the first."
            )
        return part


class MixtureEnv(gymnasium.Env[str, str]):
    """Plays task ``seed`` in the environment that the seed belongs to.

    Seeds go round: with shares 2 and 1, seeds 0 and 2 are tasks 0 and 1 of the first environment,
    seed 1 is task 0 of the second, seed 3 task 2 of the first, and so on. Different seeds are thus
    different tasks, and train and test ranges stay apart within each environment. To have the exact
    shares in every iteration, let ``config.tasks(task_period=...)`` be the sum of the shares.

    Args:
        parts: The environments, as dicts with the fields of `Part`.
    """

    def __init__(self, parts: Sequence[Mapping[str, Any]]) -> None:
        """Check the parts; environments are made when a first task of theirs comes."""
        if not parts or isinstance(parts, Mapping | str):
            raise ValueError("A mixture needs parts=[{'env': id, 'env_config': {...}}, ...].")
        self._parts = [Part.from_setting(part) for part in parts]
        self._rounds = interleave([part.share for part in self._parts])
        self._envs: dict[int, gymnasium.Env] = {}
        self._current = 0
        self.observation_space = text_space(100_000)
        self.action_space = text_space(10_000)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin the task of ``seed``; without one, a random task."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(2**31))
        self._current, inner_seed = self.locate(seed)
        if self._current not in self._envs:
            part = self._parts[self._current]
            self._envs[self._current] = gymnasium.make(
                part.env, disable_env_checker=True, **part.env_config
            )
        observation, info = self._envs[self._current].reset(seed=inner_seed, options=options)
        return observation, self._tagged(info)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Step the environment of the task."""
        answer = self._envs[self._current].step(action)
        observation, reward, terminated, truncated, info = answer
        return observation, float(reward), terminated, truncated, self._tagged(info)

    def close(self) -> None:
        """Close all environments."""
        for env in self._envs.values():
            env.close()
        self._envs.clear()

    def locate(self, seed: int) -> tuple[int, int]:
        """Return the number of the part that a seed belongs to, and the seed there."""
        lap, offset = divmod(seed, len(self._rounds))
        index = self._rounds[offset]
        return index, lap * self._parts[index].share + self._rounds[:offset].count(index)

    def _tagged(self, info: Mapping[str, Any]) -> dict[str, Any]:
        part = self._parts[self._current]
        return {**info, TAGS: [*(part.tags or (part.env,)), *info.get(TAGS, ())]}


def interleave(shares: Sequence[int]) -> list[int]:
    """Return one round of part numbers in which each part is spread as evenly as can be."""
    marks = [
        ((turn + 0.5) / share, index) for index, share in enumerate(shares) for turn in range(share)
    ]
    return [index for _, index in sorted(marks)]
