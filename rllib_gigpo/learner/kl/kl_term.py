"""The divergence from the reference policy: nowhere, in the loss, or in the reward.

β, its weight, may be steered towards a target (`KLController`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch

from rllib_gigpo.learner.kl.kl_controller import KLController
from rllib_gigpo.learner.kl.reference import Reference
from rllib_gigpo.learner.scoring import ForwardSettings
from rllib_gigpo.learner.sharding import Sharding
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.loss.kl import KLSettings, kl_estimate


class KLTerm(ABC):
    """What a Learner does about the divergence from its start weights."""

    @property
    @abstractmethod
    def coeff(self) -> float:
        """β of the next update."""

    @property
    def loss_coeff(self) -> float:
        """β in the loss; 0 where the divergence is not a term of it."""
        return 0.0

    def prepare(self, data: UpdateData) -> UpdateData:
        """Add the columns that the loss needs to a Learner's packed rows."""
        return data

    def penalties(self, data: UpdateData) -> torch.Tensor:
        """Weigh the divergence of each row for the reward: (R,) float64.

        Raises:
            RuntimeError: The divergence is not taken from the reward.
        """
        raise RuntimeError("The KL term is not in the reward: set kl={'placement': 'reward'}.")

    def after_update(self, kl: float, *, num_rows: float) -> None:  # noqa: B027 - nothing to do
        """Steer β after an update whose mean divergence was ``kl``, over ``num_rows`` rows."""

    @abstractmethod
    def get_state(self) -> float | None:
        """β, where it is steered; a fixed one is the config's, which may change."""

    @abstractmethod
    def set_state(self, coeff: float | None) -> None:
        """Go on from a steered β."""


class NoKL(KLTerm):
    """No term, and no reference model."""

    @property
    def coeff(self) -> float:
        """0, see the base class."""
        return 0.0

    def get_state(self) -> float | None:
        """Nothing, see the base class."""
        return None

    def set_state(self, coeff: float | None) -> None:
        """Nothing, see the base class."""


class _WithReference(KLTerm):
    """Base of the terms that measure against the start weights."""

    def __init__(
        self, coeff: float, settings: KLSettings, reference: Reference, forward: ForwardSettings
    ) -> None:
        """Start with β = ``coeff``; ``reference`` holds the start weights."""
        self._settings = settings
        self._reference = reference
        self._forward = forward
        self._controller = KLController(coeff, target=settings.target, horizon=settings.horizon)

    @property
    def coeff(self) -> float:
        """The controller's, see the base class."""
        return self._controller.coeff

    def get_state(self) -> float | None:
        """The controller's β if it moves, see the base class."""
        return None if self._settings.target is None else self._controller.coeff

    def set_state(self, coeff: float | None) -> None:
        """Move the controller, see the base class."""
        if coeff is not None and self._settings.target is not None:
            self._controller.coeff = coeff


class KLInLoss(_WithReference):
    """β·KL is a term of each token's loss."""

    @property
    def loss_coeff(self) -> float:
        """β, see the base class."""
        return self.coeff

    def prepare(self, data: UpdateData) -> UpdateData:
        """Add ``ref_logp``, see the base class."""
        return data.with_columns(ref_logp=self._reference.score(data, self._forward))

    def after_update(self, kl: float, *, num_rows: float) -> None:
        """Steer by what the update measured, see the base class."""
        self._controller.update(kl, num_rows=num_rows)


class KLInReward(_WithReference):
    """β·KL of a row's response tokens is taken from its step's reward, before credit."""

    def __init__(self, *args: Any, sharding: Sharding) -> None:
        """As the base class; ``sharding`` adds up what all Learners measure."""
        super().__init__(*args)
        self._sharding = sharding

    def penalties(self, data: UpdateData) -> torch.Tensor:
        """Weigh the divergences with β, then steer it; see the base class."""
        columns = data.columns
        ref_logp = self._reference.score(data, self._forward)
        tokens = kl_estimate(columns.rollout_logp, ref_logp, self._settings.estimator)
        rows = torch.zeros(data.num_rows, dtype=torch.float64, device=tokens.device)
        rows.index_add_(0, columns.row_ids, tokens.double())
        total = torch.stack([rows.sum(), rows.new_tensor(len(tokens)), rows.new_tensor(len(rows))])
        self._sharding.reduce(total)
        divergence, num_tokens, num_rows = total.tolist()
        coeff = self.coeff
        self._controller.update(divergence / max(num_tokens, 1.0), num_rows=num_rows)
        return coeff * rows


def make_kl_term(
    coeff: float,
    settings: KLSettings,
    model: Any,
    *,
    forward: ForwardSettings,
    sharding: Sharding,
) -> KLTerm:
    """Choose the term; a reference is kept only where it is measured against."""
    if coeff == 0:
        return NoKL()
    reference = Reference.of(model, sharding)
    if settings.placement == "reward":
        return KLInReward(coeff, settings, reference, forward, sharding=sharding)
    return KLInLoss(coeff, settings, reference, forward)
