"""Text -> parsed action: the action of the answer, and whether it is valid."""

from __future__ import annotations

from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns


class ParseAction(ConnectorV2):
    """Connector that reads RESPONSE_TEXT, and writes PARSED_ACTIONS."""

    def __init__(self, parser: Any, **kwargs: Any) -> None:
        """Store the parser, an object with the method `ActionParser.parse`."""
        super().__init__(**kwargs)
        self._parser = parser

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Parse every answer against its episode's admissible actions."""
        batch[columns.PARSED_ACTIONS] = [
            self._parser.parse(text, episode.get_infos(-1).get("admissible_actions"))
            for text, episode in zip(batch[columns.RESPONSE_TEXT], episodes, strict=True)
        ]
        return batch
