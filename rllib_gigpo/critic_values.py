"""The critic's values of a batch, which the Learners compute before credit is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.credit.token_rows import TokenRows


class CriticValues:
    """Asks the Learners for the values of all states that a batch has seen.

    The state of a step is its prompt. An episode that was truncated has one more: the prompt that
    would have come next, whose value stands for the rewards that were cut off.
    """

    def __init__(self, learner_group: Any, env_to_module: Any) -> None:
        """Prepare to ask.

        Args:
            learner_group: RLlib's, of `GiGPOLearner` with a critic.
            env_to_module: Pipeline from episodes to their next prompts.
        """
        self._learner_group = learner_group
        self._env_to_module = env_to_module

    def __call__(self, episodes: list[Any]) -> dict[str, np.ndarray]:
        """Value all states.

        Args:
            episodes: Whole episodes.

        Returns:
            VALUES and BOOTSTRAP_VALUES, (R,) float64, one row per step.
        """
        prompts = [
            ids
            for episode in episodes
            for ids in episode.get_extra_model_outputs(columns.PROMPT_TOKEN_IDS)
        ]
        truncated = [episode for episode in episodes if episode.is_truncated]
        values = self._values(prompts + self._next_prompts(truncated))
        last_rows = np.cumsum([len(episode) for episode in episodes]) - 1
        is_truncated = np.array([episode.is_truncated for episode in episodes], dtype=bool)
        bootstrap = np.zeros(len(prompts))
        bootstrap[last_rows[is_truncated]] = values[len(prompts) :]
        return {columns.VALUES: values[: len(prompts)], columns.BOOTSTRAP_VALUES: bootstrap}

    def _next_prompts(self, episodes: list[Any]) -> list[Any]:
        if not episodes:
            return []
        batch = self._env_to_module(
            rl_module=None, batch={}, episodes=episodes, explore=False, shared_data={}
        )
        return [prompt.token_ids for prompt in batch[columns.PROMPTS]]

    def _values(self, prompts: list[Any]) -> np.ndarray:
        """Share the prompts out over the Learners, every n-th to one of n."""
        num_learners = max(1, len(self._learner_group))
        shares = [_prompt_rows(prompts[rank::num_learners]) for rank in range(num_learners)]
        parts = self._learner_group.foreach_learner(lambda learner: learner.values_of_share(shares))
        values = np.zeros(len(prompts))
        for rank, part in enumerate(parts):
            values[rank::num_learners] = part.get()
        return values


def _prompt_rows(prompts: list[Any]) -> TokenRows:
    return TokenRows.from_rows(
        prompts,
        [[] for _ in prompts],
        rollout_logp=[np.zeros(0) for _ in prompts],
        advantages=np.zeros(len(prompts)),
        minibatch_ids=np.zeros(len(prompts), dtype=np.int64),
        num_minibatches=1,
    )
