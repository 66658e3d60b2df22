"""Play of an environment without an LLM, recorded for ``check_env``."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import gymnasium
import numpy as np
import psutil
from gymnasium import spaces

from ..common.random_actions import draw_action
from ..contract import ANCHOR, EXPERT_ACTION, INFO_TYPES, ContractViolationError
from ..info_fence import as_dict, read_key, shown
from ..response_fence import parts_of

ToText = Callable[[Any], Any]
Policy = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One response of the environment to ``reset`` (action None) or ``step``."""

    action: Any
    text: Any  # the observation after observation_to_text; should be a str
    reward: Any
    terminated: Any
    truncated: Any
    info: Mapping[str, Any]

    @property
    def anchor(self) -> Hashable:
        """The state's identity as GiGPO reads it, or its repr if that breaks the contract."""
        anchor = self.info.get(ANCHOR, self.text)
        try:
            read_key(ANCHOR, anchor)
        except ContractViolationError:
            return shown(anchor)
        return anchor

    @property
    def is_last(self) -> bool:
        """Whether the environment ended the episode; a flag may be anything."""
        try:
            return bool(self.terminated or self.truncated)
        except Exception:
            return True


@dataclass(frozen=True, slots=True)
class Episode:
    """The turns of one episode, starting with that of ``reset``, and the seconds they took."""

    turns: tuple[Turn, ...]
    reset_s: float
    steps_s: float

    @property
    def actions(self) -> tuple[Any, ...]:
        """The actions in order."""
        return tuple(turn.action for turn in self.turns[1:])

    @property
    def has_ended(self) -> bool:
        """Whether the environment itself ended the episode."""
        return self.turns[-1].is_last


def play(
    env: gymnasium.Env, *, seed: int, policy: Policy, to_text: ToText, max_steps: int
) -> Episode:
    """Play one episode of at most ``max_steps`` steps."""
    start = time.perf_counter()
    response: Any = env.reset(seed=seed)
    reset_s = time.perf_counter() - start
    observation, info = parts_of("reset", response)
    turns = [Turn(None, to_text(observation), 0.0, False, False, as_dict(info))]
    steps_s = 0.0
    while len(turns) <= max_steps and not turns[-1].is_last:
        action = policy(read_usable(turns[-1].info))
        start = time.perf_counter()
        response = env.step(action)
        steps_s += time.perf_counter() - start
        observation, reward, terminated, truncated, info = parts_of("step", response)
        text = to_text(observation)
        turns.append(Turn(action, text, reward, terminated, truncated, as_dict(info)))
    return Episode(tuple(turns), reset_s, steps_s)


def read_usable(info: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the keys that break the contract, so that all problems come to light."""
    usable = dict(info)
    for key in INFO_TYPES.keys() & info.keys():
        try:
            usable[key] = read_key(key, info[key])
        except ContractViolationError:
            del usable[key]
    return usable


def memory_per_copy(make: Callable[[], gymnasium.Env], num_copies: int) -> float:
    """Return the number of bytes that each further copy adds.

    This is an average over ``num_copies``, each reset with a different seed, on top of one copy
    that is already open: the open one pays for what all copies share, and reuses memory that
    earlier ones freed. Processes that a copy starts, such as Java, count. A small environment may
    show as 0, because it fits in memory that the process already holds.
    """
    process, copies = psutil.Process(), list[gymnasium.Env]()
    try:
        copies.append(_opened(make, seed=0))
        own, others = process.memory_info().rss, set(process.children(recursive=True))
        copies += [_opened(make, seed=seed) for seed in range(1, num_copies + 1)]
        started = set(process.children(recursive=True)) - others
        grown = process.memory_info().rss - own + sum(map(_resident_bytes, started))
        return max(0.0, grown / num_copies)
    finally:
        for copy in copies:
            copy.close()


def _opened(make: Callable[[], gymnasium.Env], *, seed: int) -> gymnasium.Env:
    env = make()
    env.reset(seed=seed)
    return env


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:  # it has ended in the meantime
        return 0


def random_policy(action_space: gymnasium.Space, seed: int) -> Policy:
    """Return a policy that draws an admissible action, or samples the space if there are none."""
    rng = random.Random(seed)
    action_space.seed(seed)

    def choose(info: Mapping[str, Any]) -> Any:
        action = draw_action(info, rng) if isinstance(action_space, spaces.Text) else None
        return action_space.sample() if action is None else action

    return choose


def expert_policy(action_space: gymnasium.Space, seed: int) -> Policy:
    """Return a policy that follows the expert, and plays at random where there is no advice."""
    fallback = random_policy(action_space, seed)
    return lambda info: info.get(EXPERT_ACTION) or fallback(info)


def has_advice(info: Mapping[str, Any]) -> bool:
    """Return whether ``info`` names an expert's action."""
    return bool(read_usable(info).get(EXPERT_ACTION))


def replay_policy(actions: Sequence[Any]) -> Policy:
    """Return a policy that repeats recorded actions."""
    remaining = iter(actions)
    return lambda info: next(remaining)


def text_reader(observation_to_text: ToText | str | None) -> ToText:
    """Return the function that turns an observation into text, as ``config.prompting`` does.

    An image becomes a text with its hash, as for a model that reads images. What is neither text
    nor an image stays as it is.
    """
    if observation_to_text is None:
        return _with_images_named
    if not isinstance(observation_to_text, str):
        return lambda observation: _with_images_named(observation_to_text(observation))
    import jinja2.sandbox

    # The same sandbox as in training: a template may come with a stranger's config.
    environment = jinja2.sandbox.SandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False
    )
    template = environment.from_string(observation_to_text)
    return lambda observation: template.render(
        **{name: _with_images_named(value) for name, value in observation.items()}
    )


def is_image(value: Any) -> bool:
    """Return whether a part of an observation is an image: uint8, (H, W, 3), not empty."""
    is_array = isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3
    return is_array and value.shape[2] == 3 and value.size > 0


def _with_images_named(observation: Any) -> Any:
    if is_image(observation):
        digest = blake2b(repr(observation.shape).encode() + observation.tobytes(), digest_size=8)
        return f"<image {digest.hexdigest()}>"
    if not isinstance(observation, Mapping | list | tuple):
        return observation
    parts = observation.values() if isinstance(observation, Mapping) else observation
    named = [_with_images_named(part) for part in parts]
    has_images = any(is_image(part) or isinstance(part, Mapping | list) for part in parts)
    is_text = all(isinstance(part, str) for part in named)
    return "\n".join(named) if has_images and is_text else observation
