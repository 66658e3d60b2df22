"""BabyAI's bot as an expert."""

from __future__ import annotations

from typing import Any

import gymnasium

from ...common.optional_backends import import_backend


class BabyAIExpert:
    """The bot's advice for each turn; there is none on levels that it does not know."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        """Begin with a level that has just been reset."""
        bots = import_backend("minigrid.utils.baby_ai_bot", extra="minigrid")
        self._bot: Any = bots.BabyAIBot(env) if hasattr(env.unwrapped, "instrs") else None

    def suggest(self, taken: int | None) -> int | None:
        """Return the number of the next action after ``taken``, which is None at the start."""
        if self._bot is None:
            return None
        try:
            return int(self._bot.replan(taken))
        except Exception:  # the bot fails in some states that its own play never reaches
            self._bot = None
            return None
