"""Environment -> episode: equal images become one object, which also travels once."""

from __future__ import annotations

from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo.errors import EnvContractError
from rllib_gigpo.media.image_store import ImageStore


class KeepImages(ConnectorV2):
    """Connector that replaces the images of the latest observations by those of the store.

    The store's are copies, so an environment may draw into the same array again.
    """

    def __init__(self, store: ImageStore, **kwargs: Any) -> None:
        """Keep images in ``store``."""
        super().__init__(**kwargs)
        self._store = store

    def __call__(self, *, batch: dict[str, Any], episodes: list[Any], **kwargs: Any) -> Any:
        """Replace the images; an observation that holds a wrong one stays, and is told later."""
        self._store.start_pass()
        for episode in episodes:
            observation = episode.get_observations(-1)
            try:
                kept = self._store.kept(observation)
            except EnvContractError:
                continue
            episode.set_observations(new_data=[kept], at_indices=[-1])
        return batch
