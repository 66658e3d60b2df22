"""The weight β of the divergence from the reference: fixed, or steered towards a target."""

from __future__ import annotations

_ERROR_BOUND = 0.2


class KLController:
    """The weight β; with a target, it follows Ziegler et al., arXiv 1909.08593, section 2.2.

    β ← β · (1 + clip(KL / target - 1, -0.2, 0.2) · n / horizon)
    """

    def __init__(self, coeff: float, *, target: float | None, horizon: int) -> None:
        """Start at ``coeff``.

        Args:
            coeff: The initial β.
            target: The divergence per token to hold; None keeps β fixed.
            horizon: Number of rows over which an error of 20 % moves β by 20 %.
        """
        self.coeff = coeff
        self._target = target
        self._horizon = horizon

    def update(self, kl: float, *, num_rows: float) -> None:
        """Adjust β after an update over ``num_rows`` rows whose mean divergence was ``kl``."""
        if self._target is None:
            return
        error = min(max(kl / self._target - 1.0, -_ERROR_BOUND), _ERROR_BOUND)
        self.coeff *= 1.0 + error * num_rows / self._horizon
