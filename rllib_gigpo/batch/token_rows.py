"""Token rows: the training batch that the credit pipeline sends to the Learners, without padding.

All tokens are in one array, row after row; lengths define where a row begins. Each row knows its
mini-batch, and every shard of the rows carries the global counts of all mini-batches, so a loss
has the same divisor on every Learner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rllib_gigpo.media.row_images import RowImages


@dataclass(frozen=True, slots=True, eq=False)
class TokenRows:
    """R training rows, one per step: T tokens in all, S of them response tokens.

    Attributes:
        token_ids: (T,) int32, prompt then response of row 0, of row 1, ...
        prompt_lengths: (R,) int32.
        response_lengths: (R,) int32.
        rollout_logp: (S,) float32, log-probabilities that the response tokens were sampled with.
        advantages: (S,) float32.
        weights: (R,) float32, the row's weight in the loss; 0 for rows that must not count.
        minibatch_ids: (R,) int32 in [0, M).
        minibatch_token_counts: (M,) float64, weighted response tokens over all Learners.
        minibatch_row_counts: (M,) float64, weighted rows over all Learners.
        old_values: (R,) float32, the critic's value of each row's state; None without a critic.
        value_targets: (R,) float32, the targets of these values; None without a critic.
        pair_gradients: (R,) float32, the derivative of the process reward model's loss by the sum
            of its log-probabilities of the response; None without such a model.
        is_fresh: (R,) bool, whether the weights that the update starts from sampled the row; None
            for all rows.
        group_ids: (R,) int32, the task group of each row, if the rows of a group should go to the
            same Learner; None if it does not matter.
        images: The images that the rows show; None for rows of text.
    """

    token_ids: np.ndarray
    prompt_lengths: np.ndarray
    response_lengths: np.ndarray
    rollout_logp: np.ndarray
    advantages: np.ndarray
    weights: np.ndarray
    minibatch_ids: np.ndarray
    minibatch_token_counts: np.ndarray
    minibatch_row_counts: np.ndarray
    old_values: np.ndarray | None = None
    value_targets: np.ndarray | None = None
    pair_gradients: np.ndarray | None = None
    is_fresh: np.ndarray | None = None
    group_ids: np.ndarray | None = None
    images: RowImages | None = None

    def __post_init__(self) -> None:
        """Check that the lengths match.

        Raises:
            ValueError: The lengths do not match, or a mini-batch id is out of range.
        """
        num_response_tokens = int(self.response_lengths.sum())
        expected = {
            "token_ids": int(self.prompt_lengths.sum()) + num_response_tokens,
            "response_lengths": self.num_rows,
            "rollout_logp": num_response_tokens,
            "advantages": num_response_tokens,
            "weights": self.num_rows,
            "minibatch_ids": self.num_rows,
            "minibatch_row_counts": self.num_minibatches,
        }
        for name, length in expected.items():
            if getattr(self, name).shape != (length,):
                raise ValueError(
                    f"TokenRows.{name} has shape {getattr(self, name).shape}, but the lengths of"
                    f" the rows and mini-batches require ({length},)."
                )
        ids = self.minibatch_ids
        if ids.size and not (ids.min() >= 0 and ids.max() < self.num_minibatches):
            raise ValueError(
                f"minibatch_ids run from {ids.min()} to {ids.max()}, but there are counts for"
                f" {self.num_minibatches} mini-batches."
            )

    @classmethod
    def from_rows(
        cls,
        prompts: Sequence[Sequence[int]],
        responses: Sequence[Sequence[int]],
        *,
        rollout_logp: Sequence[np.ndarray],
        advantages: np.ndarray,
        minibatch_ids: np.ndarray,
        num_minibatches: int,
        weights: np.ndarray | None = None,
        old_values: np.ndarray | None = None,
        value_targets: np.ndarray | None = None,
        pair_gradients: np.ndarray | None = None,
        is_fresh: np.ndarray | None = None,
        group_ids: np.ndarray | None = None,
        images: RowImages | None = None,
    ) -> TokenRows:
        """Lay out the rows of a whole batch, with the global counts of its mini-batches.

        Args:
            prompts: R lists of token ids.
            responses: R lists of token ids.
            rollout_logp: R arrays, one log-probability per response token.
            advantages: (S,) One per response token, row after row.
            minibatch_ids: (R,) The mini-batch of each row.
            num_minibatches: The number of mini-batches, M.
            weights: (R,) Weights in the loss; None for 1 each.
            old_values: (R,) The critic's values; None without a critic.
            value_targets: (R,) The targets of the values; None without a critic.
            pair_gradients: (R,) See the attribute; None without a process reward model.
            is_fresh: (R,) bool, whether the newest weights sampled the row; None for all rows.
            group_ids: (R,) int, groups that should stay together; None if it does not matter.
            images: The images of the prompts; None for prompts of text.

        Raises:
            ValueError: The numbers of rows, tokens or log-probabilities do not match.
        """
        parts = [part for pair in zip(prompts, responses, strict=True) for part in pair]
        lengths = np.array([len(part) for part in parts], dtype=np.int32)
        response_lengths = lengths[1::2].copy()
        weights = np.ones(len(prompts)) if weights is None else np.asarray(weights)
        token_counts = np.bincount(minibatch_ids, weights * response_lengths, num_minibatches)
        row_counts = np.bincount(minibatch_ids, weights, num_minibatches)
        return cls(
            token_ids=_joined(parts, np.int32),
            prompt_lengths=lengths[::2].copy(),
            response_lengths=response_lengths,
            rollout_logp=_joined(rollout_logp, np.float32),
            advantages=np.asarray(advantages).astype(np.float32),
            weights=weights.astype(np.float32),
            minibatch_ids=np.asarray(minibatch_ids).astype(np.int32),
            minibatch_token_counts=token_counts[:num_minibatches],
            minibatch_row_counts=row_counts[:num_minibatches],
            old_values=_float32(old_values),
            value_targets=_float32(value_targets),
            pair_gradients=_float32(pair_gradients),
            is_fresh=is_fresh,
            group_ids=None if group_ids is None else np.asarray(group_ids).astype(np.int32),
            images=images,
        )

    @property
    def num_rows(self) -> int:
        """The number of rows, R."""
        return len(self.prompt_lengths)

    @property
    def num_minibatches(self) -> int:
        """The number of mini-batches, M."""
        return len(self.minibatch_token_counts)

    @property
    def row_lengths(self) -> np.ndarray:
        """(R,) int64, the tokens of each row, prompt and response."""
        return np.add(self.prompt_lengths, self.response_lengths, dtype=np.int64)

    @property
    def row_offsets(self) -> np.ndarray:
        """(R + 1,) int64: row r has the tokens ``token_ids[offsets[r]:offsets[r + 1]]``."""
        return _offsets(self.row_lengths)

    @property
    def response_offsets(self) -> np.ndarray:
        """(R + 1,) int64, the same for ``rollout_logp`` and ``advantages``."""
        return _offsets(self.response_lengths)

    def select(self, indices: np.ndarray) -> TokenRows:
        """Select some rows, in the given order; the global counts of the mini-batches stay.

        Args:
            indices: Row numbers, or (R,) bool.

        Returns:
            The rows.
        """
        indices = np.asarray(indices)
        rows = np.flatnonzero(indices) if indices.dtype == bool else indices.astype(np.int64)
        tokens = _positions(self.row_offsets[rows], self.row_lengths[rows])
        response_lengths = self.response_lengths[rows]
        responses = _positions(self.response_offsets[rows], response_lengths)
        return replace(
            self,
            token_ids=self.token_ids[tokens],
            prompt_lengths=self.prompt_lengths[rows],
            response_lengths=response_lengths,
            rollout_logp=self.rollout_logp[responses],
            advantages=self.advantages[responses],
            weights=self.weights[rows],
            minibatch_ids=self.minibatch_ids[rows],
            old_values=_taken(self.old_values, rows),
            value_targets=_taken(self.value_targets, rows),
            pair_gradients=_taken(self.pair_gradients, rows),
            is_fresh=_taken(self.is_fresh, rows),
            group_ids=_taken(self.group_ids, rows),
            images=None if self.images is None else self.images.select(rows),
        )

    def identities(self) -> np.ndarray:
        """Return (T,) int, equal for tokens that mean the same: those of images tell which."""
        if self.images is None:
            return self.token_ids
        return self.images.coded(self.token_ids, self.row_offsets)


def _joined(parts: Sequence[Sequence[float] | np.ndarray], dtype: type) -> np.ndarray:
    empty: np.ndarray = np.empty(0, dtype=dtype)
    return np.concatenate([empty, *(np.asarray(part, dtype=dtype) for part in parts)])


def _float32(values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else np.asarray(values).astype(np.float32)


def _taken(column: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if column is None else column[rows]


def _offsets(lengths: np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _positions(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the positions of the items of many runs, run after run."""
    offsets = _offsets(lengths)
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
