"""MiniGrid and BabyAI (Farama), with the agent's view in words."""

from __future__ import annotations

from typing import Any

from ...contract import ADMISSIBLE_ACTIONS, ANCHOR, EXPERT_ACTION, TAGS, TASK, WON
from ..adapter import AdapterEnv, Answer
from .baby_ai_expert import BabyAIExpert
from .minigrid_level import is_late, open_level, state_of, view_of

ACTIONS = ("turn left", "turn right", "go forward", "pick up", "drop", "toggle", "done")


class MiniGridEnv(AdapterEnv):
    """A MiniGrid level by name; on BabyAI levels the package's own bot is the expert.

    Args:
        name: Its Gymnasium id, such as "BabyAI-GoToObj-v0".
        **kwargs: Further keyword arguments of `gymnasium.make`.
    """

    def __init__(self, name: str = "BabyAI-GoToObj-v0", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._name, self._kwargs = name, kwargs
        self._words = ACTIONS[: self._game.action_space.n]

    def _open(self) -> Any:
        return open_level(self._name, self._kwargs)

    def _shut(self, game: Any) -> None:
        game.close()

    def _begin(self, seed: int) -> tuple[str, dict[str, Any]]:
        seen, _ = self._game.reset(seed=seed)
        self._expert = BabyAIExpert(self._game)
        self._shown = view_of(self._game.unwrapped, seen), self._info(seen, None, won=False)
        return self._shown

    def _play(self, action: str) -> Answer:
        if action.lower() not in self._words:
            return self._refuse()
        number = self._words.index(action.lower())
        seen, reward, terminated, truncated, _ = self._game.step(number)
        info = self._info(seen, number, won=terminated and float(reward) > 0)
        self._shown = view_of(self._game.unwrapped, seen), info
        return self._shown[0], reward, terminated, truncated or is_late(self._game), info

    def _refuse(self) -> Answer:
        # No action of a level is without effect everywhere: "done" ends some levels.
        self._game.unwrapped.step_count += 1
        remark = f"That is not a valid action. The actions are: {', '.join(self._words)}. "
        return remark + self._shown[0], 0.0, False, is_late(self._game), dict(self._shown[1])

    def _info(self, seen: Any, taken: int | None, *, won: bool) -> dict[str, Any]:
        facts = {TASK: seen["mission"], ADMISSIBLE_ACTIONS: list(self._words), WON: won}
        advice = self._expert.suggest(taken)
        facts |= {} if advice is None else {EXPERT_ACTION: ACTIONS[advice]}
        return facts | {ANCHOR: state_of(self._game.unwrapped), TAGS: [self._name]}
