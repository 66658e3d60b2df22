"""Plays an episode in this process: a person, the expert or a random player acts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.playing.pictures import pictures_of, show_pictures
from rllib_gigpo.cli.playing.played_step import facts, result, rule
from rllib_gigpo.cli.playing.players import Player, Quit
from rllib_gigpo.cli.playing.shown import in_one_line, shown
from rllib_gigpo.envs.response_fence import read_reset, read_step
from rllib_gigpo.errors import EnvContractError

if TYPE_CHECKING:
    import gymnasium

    from rllib_gigpo.prompting.memory import PastStep


class Prompter:
    """A renderer of the prompts of an episode, without any model's chat template."""

    def __init__(self, template: str, history_length: int) -> None:
        from rllib_gigpo.prompting.memory import LastSteps
        from rllib_gigpo.prompting.template import PromptTemplate

        self._template = PromptTemplate.from_name_or_source(template)
        self._memory = LastSteps(history_length)
        self._past = defaultdict[str, "list[PastStep]"](list)  # of each role

    def render(self, observation: str, info: Mapping[str, Any]) -> str:
        """Return the prompt of this turn."""
        from rllib_gigpo.prompting.template import PromptInputs

        past = self._past[info.get("role", "")]
        inputs = PromptInputs(
            observation=observation,
            task=str(info.get("task", "")),
            admissible_actions=tuple(info.get("admissible_actions") or ()),
            history=tuple(self._memory.recall(past)),
            step=len(past) + 1,
        )
        return self._template.render(inputs, action_tag="action", think_tag="think")

    def note(self, observation: str, action: str, *, role: str = "") -> None:
        """Remember a finished turn."""
        from rllib_gigpo.prompting.memory import PastStep

        past = self._past[role]
        past.append(PastStep(step=len(past) + 1, observation=observation, action=action))


def play_here(
    env: gymnasium.Env, player: Player, prompter: Prompter, seed: int, max_steps: int
) -> None:
    """Play an episode in this process and print each turn before the player answers it.

    Raises:
        EnvContractError: The environment failed.
    """
    with _told(f"reset(seed={seed})"):
        observation, info = read_reset(env.reset(seed=seed))
    total, ended = 0.0, False
    for step in range(1, max_steps + 1):
        role = info.get("role", "")
        print(f"{rule(step, role)}\n{prompter.render(shown(observation), info)}")
        show_pictures(pictures_of(observation))
        print(facts(info.get("anchor", observation), info.get("admissible_actions")))
        try:
            action = player.choose(info)
        except Quit:
            break
        prompter.note(shown(observation), in_one_line(action), role=role)
        with _told(f"step({action!r})"):
            observation, reward, terminated, truncated, info = read_step(env.step(action))
        total += reward
        print(result(action, reward, total))
        ended = terminated or truncated
        if ended:
            print(f"{rule('the end')}\n{shown(observation)}")
            show_pictures(pictures_of(observation))
            break
    print(f"won {bool(info.get('won'))}, return {total:g}" + ("" if ended else ", not finished"))


@contextmanager
def _told(call: str) -> Iterator[None]:
    """Turn any exception of the environment into a one-line error."""
    try:
        yield
    except Exception as error:
        raise EnvContractError(
            f"The environment failed in {call}: {type(error).__name__}: {error}"
        ) from error
