"""Text -> history: the past steps of each episode that the memory selects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray.rllib.connectors.connector_v2 import ConnectorV2

from rllib_gigpo import columns
from rllib_gigpo.batch.role_turns import own_turns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.envs.info_fence import described
from rllib_gigpo.prompting.contents.text_reader import text_reader
from rllib_gigpo.prompting.memory import PastStep, RecallsSteps


class AddHistory(ConnectorV2):
    """Connector that writes HISTORY: a list of `PastStep` per episode, oldest first.

    If the shared data has a dict OBSERVATION_FAULTS, a history that cannot be read is noted there.
    """

    def __init__(
        self,
        memory: RecallsSteps,
        observation_to_text: Callable[[Any], str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        """Store the memory, and how observations become text; see `ObservationToText`."""
        super().__init__(**kwargs)
        self._memory = memory
        self._to_text = text_reader(observation_to_text)

    def __call__(
        self,
        *,
        batch: dict[str, Any],
        episodes: list[Any],
        shared_data: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Select the history of every episode."""
        faults = (shared_data or {}).get(columns.OBSERVATION_FAULTS)
        batch[columns.HISTORY] = [self._history(episode, faults) for episode in episodes]
        return batch

    def _history(self, episode: Any, faults: dict[str, str] | None) -> Sequence[PastStep]:
        try:
            return self._memory.recall(self._past(episode))
        except Exception as error:  # a user's function or memory may raise anything
            if faults is None:
                raise
            faults.setdefault(episode.id_, f"The history cannot be read: {described(error)}")
            return []

    def _past(self, episode: Any) -> list[PastStep]:
        """List the finished turns of the role that acts next: what others saw may be secret."""
        if len(episode) == 0:
            return []
        observations = episode.get_observations(slice(0, len(episode)))
        records = step_records([episode])
        return [
            PastStep(
                step=number,
                observation=self._to_text(observations[turn]),
                action=records[turn].action_text,
            )
            for number, turn in enumerate(own_turns(episode), start=1)
        ]
