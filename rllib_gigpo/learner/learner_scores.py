"""Columns that the Learners compute before credit: state values, KL penalties, step rewards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.errors import UpdateError
from rllib_gigpo.learner.learner_calls import LearnerCalls
from rllib_gigpo.media.image import PlacedImage
from rllib_gigpo.media.row_images import RowImages
from rllib_gigpo.prompting.prompt_record import Prompt


class LearnerScores(ABC):
    """Columns of the credit pipeline that the Learners compute."""

    def __init__(self, learners: LearnerCalls) -> None:
        """Compute the columns on ``learners``."""
        self._learners = learners

    @abstractmethod
    def __call__(self, episodes: list[Any]) -> dict[str, np.ndarray]:
        """Compute the columns of a batch.

        Args:
            episodes: Whole episodes with R steps in all.

        Returns:
            Columns of `rllib_gigpo.columns`, (R,) each, with one row per step.
        """

    def _ask(self, rows: TokenRows, method: str) -> np.ndarray:
        """Return the Learners' answers in the order of the rows.

        Raises:
            UpdateError: An answer is not finite, or a Learner did not answer.
        """
        answers = self._learners.score(rows, method)
        num_faulty = int((~np.isfinite(answers)).sum())
        if num_faulty:
            raise UpdateError(
                f"The Learners' {method} of {num_faulty} of {rows.num_rows} steps are NaN or"
                " infinite, so there is no credit to assign. A weight of the model is probably NaN"
                " or infinite; start again from an earlier checkpoint, with a lower lr."
            )
        return answers


class CriticValues(LearnerScores):
    """The critic's VALUES and BOOTSTRAP_VALUES.

    The state of a step is its prompt. A truncated episode has one more state, the prompt that would
    have come next; its value replaces the rewards that were cut off.
    """

    def __init__(self, learners: LearnerCalls, env_to_module: Any) -> None:
        """Compute on ``learners``; ``env_to_module`` renders the next prompts of episodes."""
        super().__init__(learners)
        self._env_to_module = env_to_module

    def __call__(self, episodes: list[Any]) -> dict[str, np.ndarray]:
        """Compute the values of all states."""
        truncated = [episode for episode in episodes if episode.is_truncated]
        prompts = [_Row(one.prompt_token_ids, one.images) for one in step_records(episodes)]
        following = [_Row(one.token_ids, one.images) for one in self._next_prompts(truncated)]
        groups = _group_ids(episodes) + [_group_id(episode) for episode in truncated]
        rows = _token_rows(prompts + following, groups)
        values = self._ask(rows, "values")
        last_rows = np.cumsum([len(episode) for episode in episodes]) - 1
        is_truncated = np.array([episode.is_truncated for episode in episodes], dtype=bool)
        bootstrap = np.zeros(len(prompts))
        bootstrap[last_rows[is_truncated]] = values[len(prompts) :]
        return {columns.VALUES: values[: len(prompts)], columns.BOOTSTRAP_VALUES: bootstrap}

    def _next_prompts(self, episodes: list[Any]) -> list[Prompt]:
        if not episodes:
            return []
        batch = self._env_to_module(
            rl_module=None, batch={}, episodes=episodes, explore=False, shared_data={}
        )
        return batch[columns.PROMPTS]


class RewardDivergences(LearnerScores):
    """KL_PENALTIES: the cost to each step of its divergence from the reference."""

    def __call__(self, episodes: list[Any]) -> dict[str, np.ndarray]:
        """Compute the penalties of all responses."""
        return {columns.KL_PENALTIES: self._ask(_answer_rows(episodes), "kl_penalties")}


class ImplicitRewards(LearnerScores):
    """IMPLICIT_REWARDS: how much more likely the process reward model makes each answer.

    They are those before the update in which the batch trains this model.
    """

    def __call__(self, episodes: list[Any]) -> dict[str, np.ndarray]:
        """Compute the rewards of all responses."""
        return {columns.IMPLICIT_REWARDS: self._ask(_answer_rows(episodes), "implicit_rewards")}


def make_learner_scores(config: Any, learners: LearnerCalls, spaces: Any) -> list[LearnerScores]:
    """Build the scores that a config needs from the Learners; often none."""
    scores: list[LearnerScores] = []
    loss = config.settings.loss
    if loss.critic is not None:
        next_prompts = config.build_env_to_module_connector(spaces=spaces)
        scores.append(CriticValues(learners, next_prompts))
    if loss.kl_in_reward:
        scores.append(RewardDivergences(learners))
    if loss.process_reward is not None:
        scores.append(ImplicitRewards(learners))
    return scores


def _group_id(episode: Any) -> int:
    return int(episode.custom_data[columns.GROUP_ID])


def _group_ids(episodes: list[Any]) -> list[int]:
    """Return the group of each step of the episodes."""
    return [_group_id(episode) for episode in episodes for _ in range(len(episode))]


class _Row(NamedTuple):
    """A prompt and, if it counts, its response."""

    prompt_ids: Sequence[int]
    images: tuple[PlacedImage, ...]
    response_ids: Sequence[int] = ()
    logp: np.ndarray = np.zeros(0)


def _answer_rows(episodes: list[Any]) -> TokenRows:
    """Return the prompts and answers of all steps."""
    rows = [
        _Row(one.prompt_token_ids, one.images, one.response_token_ids, one.rollout_logp)
        for one in step_records(episodes)
    ]
    return _token_rows(rows, _group_ids(episodes))


def _token_rows(rows: list[_Row], groups: list[int]) -> TokenRows:
    return TokenRows.from_rows(
        [row.prompt_ids for row in rows],
        [row.response_ids for row in rows],
        rollout_logp=[row.logp for row in rows],
        advantages=np.zeros(sum(len(row.response_ids) for row in rows)),
        minibatch_ids=np.zeros(len(rows), dtype=np.int64),
        num_minibatches=1,
        group_ids=np.array(groups, dtype=np.int64),
        images=RowImages.of([row.images for row in rows]) if any(r.images for r in rows) else None,
    )
