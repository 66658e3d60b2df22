"""``check_env``, which tests in seconds, without an LLM, if an environment keeps the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium
from gymnasium import spaces

from ..contract import INFO_TYPES, RARE_KEYS, WON, ContractViolationError
from ..info_fence import text_of
from .contract_checks import (
    check_picklable,
    check_roles,
    check_spaces,
    check_turns,
    compare_episodes,
    recurring_anchors,
    remarks,
)
from .env_factory import EnvFactory, EnvOrId
from .env_probe import (
    Episode,
    Policy,
    ToText,
    Turn,
    expert_policy,
    has_advice,
    memory_per_copy,
    play,
    random_policy,
    read_usable,
    replay_policy,
    text_reader,
)
from .env_report import EnvReport
from .tool_checks import tool_remarks

_ODD_ACTIONS = ("", "xyzzy", "go \x00\u2603\nnowhere", "very " * 500)
_SLOW_STEPS_PER_S = 20.0
_NUM_COPIES = 3


def check_env(
    env_or_id: EnvOrId,
    *,
    env_config: Mapping[str, Any] | None = None,
    num_episodes: int = 8,
    max_steps: int = 100,
    observation_to_text: Callable[[Any], str] | str | None = None,
) -> EnvReport:
    """Play an environment at random and list everything that would break training.

    Check the spaces, that ``reset`` and ``step`` are deterministic in the seed (in the same
    instance and in a fresh one), the types of rewards, flags and ``info`` keys, that odd actions do
    not raise, and that ``env_config`` can be sent to other processes. Measure the speed, how often
    anchors recur, and the memory of a copy.

    Args:
        env_or_id: A Gymnasium id ("my_module:MyEnv-v0"), a class or function that takes the
            ``env_config`` dictionary, or an instance (then no fresh instance is compared, unless
            ``gymnasium.make`` made it).
        env_config: The same as in ``config.environment(..., env_config=...)``.
        num_episodes: Episodes of random play, half on seed 0 and half on seed 1; at least 2.
        max_steps: Steps after which play of an episode stops; bounds the work together with
            ``num_episodes``.
        observation_to_text: As in ``config.prompting``: a function from an observation to text, or
            a Jinja template for a Dict observation.

    Returns:
        The report; ``print`` it, or call its ``raise_if_broken()``.
    """
    if num_episodes < 2 or max_steps < 1:
        raise ValueError(
            f"check_env needs num_episodes >= 2 and max_steps >= 1; got {num_episodes} and "
            f"{max_steps}."
        )
    source = EnvFactory(env_or_id, dict(env_config or {}))
    return _Probe(source, text_reader(observation_to_text), max_steps).run(num_episodes)


@dataclass(slots=True)
class _Probe:
    """One run of ``check_env``, with the episodes played and the problems found so far."""

    source: EnvFactory
    to_text: ToText
    max_steps: int
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    groups: dict[int, list[Episode]] = field(default_factory=dict)
    expert_wins: float | None = None
    spaces: tuple[str, str] = ("", "")
    is_deterministic: bool | None = None
    copy_mb: float | None = None

    def run(self, num_episodes: int) -> EnvReport:
        env = self._guard("making the environment", self.source.make)
        if env is not None:
            try:
                self._check(env, num_episodes)
            finally:
                self._close(env)
        return self._report()

    def _check(self, env: gymnasium.Env, num_episodes: int) -> None:
        self.problems += check_picklable("env_config", self.source.env_config)
        space_problems = check_spaces(env)
        self.problems += space_problems
        if space_problems:
            return
        self.spaces = (_describe(env.observation_space), _describe(env.action_space))
        if not self._play_at_random(env, num_episodes):
            return
        self.problems += check_turns(self.episodes)
        self.problems += check_roles(self.episodes)
        self._check_determinism(env)
        self._play_expert(env)
        self._try_odd_actions(env)
        self._measure_memory(env)
        self.notes += remarks(self.groups)
        tools = getattr(env.unwrapped, "tools", None)
        self.notes += tool_remarks(tools, self.episodes) if tools else []

    def _play_at_random(self, env: gymnasium.Env, num_episodes: int) -> bool:
        for number in range(num_episodes):
            seed = number % 2
            policy = random_policy(env.action_space, number)
            episode = self._play(env, seed, policy, "random play")
            if episode is None:
                return False
            self.groups.setdefault(seed, []).append(episode)
        return True

    def _check_determinism(self, env: gymnasium.Env) -> None:
        """Replay the first episode of each seed, in this instance after others and in a new one."""
        fresh = self._fresh(env)
        for seed, (original, *_) in self.groups.items():
            for where, other in (("the same instance", env), ("a fresh instance", fresh)):
                if other is None:
                    continue
                replay = self._replay(other, seed, original)
                if replay is not None:
                    found = compare_episodes(original, replay, where=where, seed=seed)
                    self.problems += found
                    self.is_deterministic = self.is_deterministic is not False and not found
        if fresh is not None:
            self._close(fresh)

    def _replay(self, env: gymnasium.Env, seed: int, original: Episode) -> Episode | None:
        num_steps = len(original.actions)
        policy = replay_policy(original.actions)
        return self._play(env, seed, policy, "a replay", max_steps=num_steps)

    def _play_expert(self, env: gymnasium.Env) -> None:
        if not any(has_advice(turn.info) for e in self.episodes for turn in e.turns):
            return
        played = [
            self._play(env, seed, expert_policy(env.action_space, seed), "the expert's play")
            for seed in self.groups
        ]
        wins = [episode is not None and _has_won(episode) for episode in played]
        self.expert_wins = sum(wins) / len(wins)
        if self.expert_wins < 1:
            self.notes.append(
                f"expert_action won {sum(wins)} of {len(wins)} tasks within {self.max_steps} steps"
                " (by info['won']); demonstrations of the others teach little."
            )

    def _try_odd_actions(self, env: gymnasium.Env) -> None:
        """Check that no string raises, because an LLM can say anything."""
        if not isinstance(env.action_space, spaces.Text):
            return
        for action in _ODD_ACTIONS:
            self._guard(
                f"step({action[:20]!r}), text that an LLM may produce (answer it in words),",
                partial(_react, env, action),
            )

    def _play(
        self,
        env: gymnasium.Env,
        seed: int,
        policy: Policy,
        what: str,
        *,
        max_steps: int | None = None,
    ) -> Episode | None:
        limit = self.max_steps if max_steps is None else max_steps
        episode = self._guard(
            f"{what} with seed {seed}",
            lambda: play(env, seed=seed, policy=policy, to_text=self.to_text, max_steps=limit),
        )
        if episode is not None:
            self.episodes.append(episode)
        return episode

    def _guard(self, what: str, call: Callable[[], Any]) -> Any:
        """Run the user's code and record what it raises as a problem, so the check goes on."""
        try:
            return call()
        except ContractViolationError as violation:
            self.problems.append(str(violation))
            return None
        except BaseException as error:  # not only Exception: a game may call sys.exit()
            if isinstance(error, KeyboardInterrupt):
                raise
            self.problems.append(f"{what} raised {type(error).__name__}: {text_of(error)}")
            return None

    def _measure_memory(self, env: gymnasium.Env) -> None:
        if self.source.can_make_another(env):
            make = partial(self.source.make_another, env)
            size = self._guard("making copies", lambda: memory_per_copy(make, _NUM_COPIES))
            self.copy_mb = None if size is None else size / 1e6

    def _fresh(self, env: gymnasium.Env) -> gymnasium.Env | None:
        if self.source.can_make_another(env):
            return self._guard("making a second instance", partial(self.source.make_another, env))
        self.notes.append("no fresh instance was compared; pass an id or the class instead.")
        return None

    def _close(self, env: gymnasium.Env) -> None:
        if env is not self.source.env_or_id:  # the caller closes an instance that it passed in
            self._guard("close()", lambda: env.close())

    def _report(self) -> EnvReport:
        turns = [turn for episode in self.episodes for turn in episode.turns]
        num_steps = len(turns) - len(self.episodes)
        steps_s = sum(episode.steps_s for episode in self.episodes)
        steps_per_s = num_steps / max(steps_s, 1e-9)
        if num_steps and steps_per_s < _SLOW_STEPS_PER_S:
            self.notes.append(
                f"{steps_per_s:.1f} steps/s is slow compared with an LLM; set "
                "config.env_runners(num_env_workers=...) to step in other processes."
            )
        return EnvReport(
            name=self.source.name,
            problems=tuple(dict.fromkeys(self.problems)),
            notes=tuple(dict.fromkeys(self.notes)),
            num_episodes=len(self.episodes),
            num_steps=num_steps,
            info_shares=_info_shares(turns),
            recurring_anchors=recurring_anchors(self.groups),
            expert_wins=self.expert_wins,
            steps_per_s=steps_per_s,
            reset_ms=1000 * max((episode.reset_s for episode in self.episodes), default=0.0),
            spaces=self.spaces,
            is_deterministic=self.is_deterministic,
            copy_mb=self.copy_mb,
        )


def _info_shares(turns: Sequence[Turn]) -> dict[str, float]:
    """Return how often each key occurs; those that few environments need only if they do."""
    counts = Counter(key for turn in turns for key in turn.info)
    keys = [key for key in INFO_TYPES if counts[key] or key not in RARE_KEYS]
    return {key: counts[key] / max(len(turns), 1) for key in keys}


def _describe(space: gymnasium.Space) -> str:
    """Describe a space briefly; the repr of a Text lists its whole charset."""
    if isinstance(space, spaces.Text):
        return f"text of up to {space.max_length} characters"
    return str(space)


def _has_won(episode: Episode) -> bool:
    return read_usable(episode.turns[-1].info).get(WON, False)


def _react(env: gymnasium.Env, action: str) -> None:
    env.reset(seed=0)
    env.step(action)
