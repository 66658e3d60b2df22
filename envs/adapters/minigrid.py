"""MiniGrid and BabyAI (Farama), with the agent's view in words."""

from __future__ import annotations

from typing import Any

import gymnasium

from ..backends import import_backend
from ..contract import ADMISSIBLE_ACTIONS, ANCHOR, EXPERT_ACTION, TAGS, TASK, WON, text_space
from .baby_ai_expert import BabyAIExpert
from .grid_view import describe_view

ACTIONS = ("turn left", "turn right", "go forward", "pick up", "drop", "toggle", "done")


class MiniGridEnv(gymnasium.Env[str, str]):
    """A MiniGrid level by name; on BabyAI levels the package's own bot is the expert.

    Args:
        name: Its Gymnasium id, such as "BabyAI-GoToObj-v0".
        **kwargs: Of `gymnasium.make`.
    """

    def __init__(self, name: str = "BabyAI-GoToObj-v0", **kwargs: Any) -> None:
        self._constants = import_backend("minigrid.core.constants", extra="minigrid")
        self._env, self._name = gymnasium.make(name, **kwargs), name
        self.observation_space, self.action_space = text_space(2000), text_space(100)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Make the level of ``seed``."""
        super().reset(seed=seed)
        seen, _ = self._env.reset(seed=seed)
        self._expert = BabyAIExpert(self._env)
        return self._text(seen), self._info(seen, None, won=False)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Do one of `ACTIONS`; other text changes nothing and is answered in words."""
        word = action.strip().lower()
        number = ACTIONS.index(word) if word in ACTIONS else ACTIONS.index("done")
        seen, reward, terminated, truncated, _ = self._env.step(number)
        info = self._info(seen, number, won=terminated and float(reward) > 0)
        remark = "" if word in ACTIONS else f"There is no such action: use {', '.join(ACTIONS)}. "
        return remark + self._text(seen), float(reward), terminated, truncated, info

    def _text(self, seen: Any) -> str:
        carried = self._env.unwrapped.carrying  # type: ignore[attr-defined]
        names = (self._constants.IDX_TO_OBJECT, self._constants.IDX_TO_COLOR)
        return describe_view(seen["image"], *names) + (
            f" You carry a {carried.color} {carried.type}." if carried else ""
        )

    def _info(self, seen: Any, taken: int | None, *, won: bool) -> dict[str, Any]:
        world: Any = self._env.unwrapped
        carried = world.carrying and (world.carrying.color, world.carrying.type)
        state = (world.grid.encode().tobytes(), *map(int, world.agent_pos), int(world.agent_dir))
        facts = {TASK: seen["mission"], ADMISSIBLE_ACTIONS: list(ACTIONS), WON: won}
        advice = self._expert.suggest(taken)
        facts |= {} if advice is None else {EXPERT_ACTION: ACTIONS[advice]}
        return facts | {ANCHOR: (*state, carried), TAGS: [self._name]}
