"""An environment that combines several others: each seed belongs to one, in fixed shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import gymnasium
from gymnasium import spaces

from .contract import FIRST_TEST_SEED, RUNS_IN_THREADS, TAGS, text_space
from .making import make


@dataclass(frozen=True, slots=True)
class Part:
    """One environment of a mixture.

    Attributes:
        env: Gymnasium id.
        env_config: Its keyword arguments.
        share: Number of its tasks among every ``sum(shares)`` consecutive seeds.
        tags: Labels of all its tasks, placed before its own tags; its id if there are none.
    """

    env: str
    env_config: Mapping[str, Any] = field(default_factory=dict)
    share: int = 1
    tags: Sequence[str] = ()

    @classmethod
    def from_setting(cls, setting: Mapping[str, Any]) -> Part:
        """Read a part from an ``env_config``.

        Raises:
            ValueError: A key is unknown, the id is missing, the share is below 1, or the tags are
                not a list of strings.
        """
        known = [one.name for one in fields(cls)]
        if not isinstance(setting, Mapping) or "env" not in setting or set(setting) - set(known):
            raise ValueError(
                f"A part of a mixture is a dict with 'env' and optionally {', '.join(known[1:])};"
                f" got {setting!r}."
            )
        part = cls(**setting)
        if not isinstance(part.share, int) or isinstance(part.share, bool) or part.share < 1:
            raise ValueError(
                f"The share of {part.env!r} must be a whole number of at least 1; got"
                f" {part.share!r}. With shares 3 and 1, the first part gets three of four groups."
            )
        if not isinstance(part.env, str) or not isinstance(part.env_config, Mapping):
            raise ValueError(
                "A part of a mixture needs an id as env and a dict as env_config; got"
                f" {part.env!r} and {part.env_config!r}."
            )
        is_list = isinstance(part.tags, Sequence) and not isinstance(part.tags, str)
        if not is_list or not all(isinstance(tag, str) and tag for tag in part.tags):
            raise ValueError(
                f"The tags of {part.env!r} must be a list of strings; got {part.tags!r}."
                " Write ['grid'], not 'grid'."
            )
        return part

    def make(self) -> gymnasium.Env[str, str]:
        """Make the environment.

        Raises:
            ImportError: A package that it needs is missing.
            ValueError: It cannot be made with these settings, its spaces are not text, or it has
                tools.
        """
        try:
            env = make(self.env, **self.env_config)
        except Exception as error:  # from Gymnasium, or anything the environment's own code raises
            kind = ImportError if isinstance(error, ImportError) else ValueError
            raise kind(
                f"The part {self.env!r} of the mixture cannot be made with env_config="
                f"{dict(self.env_config)!r}: {type(error).__name__}: {error}"
            ) from error
        for name, space in (("observation", env.observation_space), ("action", env.action_space)):
            if not isinstance(space, spaces.Text):
                env.close()
                raise ValueError(
                    f"The {name} space of {self.env!r} is {space}, but a mixture needs text. Choose"
                    " its text option if it has one, or register it with a wrapper."
                )
        if getattr(env.unwrapped, "tools", None):
            env.close()
            raise ValueError(
                f"{self.env!r} has tools, which a mixture cannot show to the model. Train on it"
                " alone."
            )
        return env


class MixtureEnv(gymnasium.Env[str, str]):
    """A mixture that plays each seed in the environment that the seed belongs to.

    Seeds rotate through the environments: with shares 2 and 1, seeds 0 and 2 are tasks 0 and 1 of
    the first, seed 1 is task 0 of the second, seed 3 is task 2 of the first, and so on. Different
    seeds are therefore different tasks. Seeds from ``FIRST_TEST_SEED`` on rotate in the same way
    and are test seeds in each environment. For exact shares in every iteration, set
    ``config.tasks(task_period=...)`` to the sum of the shares.

    Args:
        parts: The environments, as dicts with the fields of `Part`.
    """

    def __init__(self, parts: Sequence[Mapping[str, Any]]) -> None:
        """Check and make every part, so that a mistake is an error before training starts."""
        if not parts or isinstance(parts, Mapping | str):
            raise ValueError("A mixture needs parts=[{'env': id, 'env_config': {...}}, ...].")
        self._parts = [Part.from_setting(part) for part in parts]
        self._rounds = interleave([part.share for part in self._parts])
        self._envs: dict[int, gymnasium.Env[str, str]] = {}
        self._current: int | None = None  # the part whose episode is running
        self.observation_space = text_space(100_000)
        self.action_space = text_space(10_000)
        try:
            for index in range(len(self._parts)):
                self._env(index)
        except (ImportError, ValueError):
            self.close()
            raise
        may_thread = all(env.metadata.get(RUNS_IN_THREADS) for env in self._envs.values())
        self.metadata = {**type(self).metadata, RUNS_IN_THREADS: may_thread}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin the task of ``seed``, or a random training task if it is None."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(FIRST_TEST_SEED))
        self._current = None  # an episode that fails to begin cannot be stepped
        index, inner_seed = self.locate(seed)
        observation, info = self._env(index).reset(seed=inner_seed, options=options)
        self._current = index
        return observation, self._tagged(index, info)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Step the environment of the task."""
        index = self._current
        if index is None:
            raise gymnasium.error.ResetNeeded("The episode is over: call reset() before step().")
        observation, reward, terminated, truncated, info = self._env(index).step(action)
        if terminated or truncated:
            self._current = None
        return observation, float(reward), terminated, truncated, self._tagged(index, info)

    def close(self) -> None:
        """Close all environments; ``reset`` makes those that it needs again."""
        for env in self._envs.values():
            env.close()
        self._envs.clear()
        self._current = None

    def locate(self, seed: int) -> tuple[int, int]:
        """Return the number of the part that a seed belongs to, and the seed within that part."""
        first = FIRST_TEST_SEED if seed >= FIRST_TEST_SEED else 0
        lap, offset = divmod(seed - first, len(self._rounds))
        index = self._rounds[offset]
        turn = self._rounds[:offset].count(index)
        return index, first + lap * self._parts[index].share + turn

    def _env(self, index: int) -> gymnasium.Env[str, str]:
        if index not in self._envs:
            self._envs[index] = self._parts[index].make()
        return self._envs[index]

    def _tagged(self, index: int, info: Mapping[str, Any]) -> dict[str, Any]:
        part = self._parts[index]
        return {**info, TAGS: [*(part.tags or (part.env,)), *info.get(TAGS, ())]}


def interleave(shares: Sequence[int]) -> list[int]:
    """Return one round of part numbers with each part spread as evenly as possible."""
    marks = [
        ((turn + 0.5) / share, index) for index, share in enumerate(shares) for turn in range(share)
    ]
    return [index for _, index in sorted(marks)]
