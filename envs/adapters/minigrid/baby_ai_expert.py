"""The bot that BabyAI ships, as an expert."""

from __future__ import annotations

from typing import Any

import gymnasium

from ...common.backends import import_backend


class BabyAIExpert:
    """Says which action the bot would take; silent on levels that it does not know."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        """Look at a level that has just been reset."""
        bots = import_backend("minigrid.utils.baby_ai_bot", extra="minigrid")
        self._bot: Any = bots.BabyAIBot(env) if hasattr(env.unwrapped, "instrs") else None

    def suggest(self, taken: int | None) -> int | None:
        """Return the next action's number, after ``taken``, which None is at the start."""
        if self._bot is None:
            return None
        try:
            return int(self._bot.replan(taken))
        except Exception:  # the bot gives up on some states that its own play never reaches
            self._bot = None
            return None
