"""The divergence from the reference policy: absent, in the loss, or in the reward.

`KLController` can steer its weight β towards a target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch

from rllib_gigpo.learner.kl.kl_controller import KLController
from rllib_gigpo.learner.kl.reference import Reference
from rllib_gigpo.learner.scoring import ForwardSettings
from rllib_gigpo.learner.sharding.sharding import Sharding
from rllib_gigpo.learner.update_data import UpdateData
from rllib_gigpo.loss.kl import KLSettings, kl_estimate
from rllib_gigpo.models.model_adapter import ModelAdapter


class KLTerm(ABC):
    """A Learner's use of the divergence from its start weights."""

    @property
    @abstractmethod
    def coeff(self) -> float:
        """β of the next update."""

    @property
    def loss_coeff(self) -> float:
        """β in the loss; 0 if the divergence is not a term of the loss."""
        return 0.0

    def prepare(self, data: UpdateData) -> UpdateData:
        """Add the columns that the loss needs to a Learner's rows."""
        return data

    def penalties(self, data: UpdateData) -> torch.Tensor:
        """Return β·KL of each row, to subtract from the reward: (R,) float64.

        Raises:
            RuntimeError: The divergence is not in the reward.
        """
        raise RuntimeError("The KL term is not in the reward; set kl={'placement': 'reward'}.")

    def after_update(self, kl: float, *, num_rows: float) -> None:  # noqa: B027 - nothing to do
        """Steer β after an update over ``num_rows`` rows whose mean divergence was ``kl``."""

    @abstractmethod
    def get_state(self) -> float | None:
        """Return β if it is steered; a fixed β comes from the config, which may change."""

    @abstractmethod
    def set_state(self, coeff: float | None) -> None:
        """Continue from a steered β."""


class NoKL(KLTerm):
    """No term, and no reference model."""

    @property
    def coeff(self) -> float:
        """Always 0."""
        return 0.0

    def get_state(self) -> float | None:
        """Return None: β is fixed."""
        return None

    def set_state(self, coeff: float | None) -> None:
        """Do nothing."""


class _WithReference(KLTerm):
    """Base class of the terms that measure the divergence from the start weights."""

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
        """β of the controller."""
        return self._controller.coeff

    def get_state(self) -> float | None:
        """Return the controller's β if it has a target."""
        return None if self._settings.target is None else self._controller.coeff

    def set_state(self, coeff: float | None) -> None:
        """Set the controller's β if it has a target."""
        if coeff is not None and self._settings.target is not None:
            self._controller.coeff = coeff


class KLInLoss(_WithReference):
    """β·KL is a term of each token's loss."""

    @property
    def loss_coeff(self) -> float:
        """β of the next update."""
        return self.coeff

    def prepare(self, data: UpdateData) -> UpdateData:
        """Add the column ``ref_logp``."""
        return data.with_columns(ref_logp=self._reference.score(data, self._forward))

    def after_update(self, kl: float, *, num_rows: float) -> None:
        """Steer β by the divergence that the update measured."""
        self._controller.update(kl, num_rows=num_rows)


class KLInReward(_WithReference):
    """β·KL of a row's response tokens is subtracted from its step's reward, before credit."""

    def __init__(self, *args: Any, sharding: Sharding) -> None:
        """Start as the base class does; ``sharding`` sums the divergence over the Learners."""
        super().__init__(*args)
        self._sharding = sharding

    def penalties(self, data: UpdateData) -> torch.Tensor:
        """Return β·KL of each row, (R,), then steer β."""
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
    adapter: ModelAdapter,
    *,
    forward: ForwardSettings,
    sharding: Sharding,
) -> KLTerm:
    """Return the term for the settings; only a term with β > 0 keeps a reference."""
    if coeff == 0:
        return NoKL()
    reference = Reference.of(adapter, sharding)
    if settings.placement == "reward":
        return KLInReward(coeff, settings, reference, forward, sharding=sharding)
    return KLInLoss(coeff, settings, reference, forward)
