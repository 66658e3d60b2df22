"""Response token ids -> text. The loss uses the ids themselves, unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.prompting.response_decoder import ResponseDecoder


class DecodeResponse(ConnectorV2):
    """Connector that reads GENERATIONS, and writes RESPONSE_TEXT, without special tokens."""

    def __init__(
        self, tokenizer: Any, tags: Sequence[str] = (), marks: Sequence[str] = (), **kwargs: Any
    ) -> None:
        """Store the tokenizer, and what stays of special tokens; see `ResponseDecoder`."""
        super().__init__(**kwargs)
        self._decoder = ResponseDecoder(tokenizer, tags, marks)

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Decode all answers in one call."""
        batch[columns.RESPONSE_TEXT] = self._decoder.decode(
            [generation.token_ids for generation in batch[columns.GENERATIONS]]
        )
        return batch
