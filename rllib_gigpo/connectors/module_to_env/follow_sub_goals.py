"""Text -> sub-goals: what each answer keeps or switches to, and the tokens of its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.role_turns import own_turns, sub_goal_before
from rllib_gigpo.batch.sub_goal_step import SubGoalStep, TokenLevel
from rllib_gigpo.prompting.response_decoder import ResponseDecoder
from rllib_gigpo.prompting.sub_goals.sub_goal_parser import SubGoalBlocks, SubGoalParser
from rllib_gigpo.prompting.sub_goals.token_spans import token_span


class FollowSubGoals(ConnectorV2):
    """Connector that reads RESPONSE_TEXT and GENERATIONS, and writes SUB_GOALS.

    The first step of an episode starts a segment, and so does each later one that switches, or
    names the first sub-goal. An answer without valid blocks goes on with the sub-goal before it,
    and all its tokens count as those of the action.
    """

    def __init__(self, parser: SubGoalParser, tokenizer: Any, **kwargs: Any) -> None:
        """Store the parser, and how token ids become text."""
        super().__init__(**kwargs)
        self._parser = parser
        self._decoder = ResponseDecoder(tokenizer, parser.tags)

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Read the sub-goal of every answer."""
        batch[columns.SUB_GOALS] = [
            self._step(text, generation.token_ids, episode)
            for text, generation, episode in zip(
                batch[columns.RESPONSE_TEXT], batch[columns.GENERATIONS], episodes, strict=True
            )
        ]
        return batch

    def _step(self, text: str, token_ids: Sequence[int], episode: Any) -> SubGoalStep:
        before, blocks = sub_goal_before(episode), self._parser.find_blocks(text)
        is_new = blocks is not None and (blocks.is_switch or not before)
        keeps_none = blocks is not None and not blocks.is_switch and not _same(blocks, before)
        return SubGoalStep(
            sub_goal=blocks.sub_goal if blocks is not None and is_new else before,
            starts_segment=is_new or not own_turns(episode),
            is_contradictory=keeps_none,
            token_levels=self._levels(text, token_ids, blocks),
        )

    def _levels(
        self, text: str, token_ids: Sequence[int], blocks: SubGoalBlocks | None
    ) -> np.ndarray:
        levels = np.full(len(token_ids), TokenLevel.ACTION, dtype=np.int8)
        if blocks is None:
            return levels
        for level, characters in (
            (TokenLevel.SWITCH, blocks.switch_span),
            (TokenLevel.SUB_GOAL, blocks.sub_goal_span),
        ):
            start, stop = token_span(token_ids, text, characters, self._decode)
            levels[start:stop] = level
        return levels

    def _decode(self, token_ids: Sequence[int]) -> str:
        return self._decoder.decode([token_ids])[0]


def _same(blocks: SubGoalBlocks, before: str) -> bool:
    return blocks.sub_goal.casefold() == before.casefold()
