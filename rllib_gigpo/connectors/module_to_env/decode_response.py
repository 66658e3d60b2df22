"""Response token ids -> text. The loss uses the ids themselves, unchanged."""

from __future__ import annotations

from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns


class DecodeResponse(ConnectorV2):
    """Connector that reads GENERATIONS, and writes RESPONSE_TEXT without special tokens."""

    def __init__(self, tokenizer: Any, **kwargs: Any) -> None:
        """Store the tokenizer."""
        super().__init__(**kwargs)
        self._tokenizer = tokenizer

    def __call__(self, *, batch: dict[str, Any], **kwargs: Any) -> Any:
        """Decode all answers in one call."""
        batch[columns.RESPONSE_TEXT] = self._tokenizer.batch_decode(
            [generation.token_ids for generation in batch[columns.GENERATIONS]],
            skip_special_tokens=True,
        )
        return batch
