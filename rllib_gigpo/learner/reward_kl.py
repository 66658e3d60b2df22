"""The divergence from the reference as a part of the reward, one number per row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rllib_gigpo.credit.token_rows import TokenRows
from rllib_gigpo.learner.reference import Reference
from rllib_gigpo.learner.update_data import prepare_update
from rllib_gigpo.loss.kl import kl_estimate


def row_divergences(
    reference: Reference, rows: TokenRows, config: Any, device: torch.device
) -> np.ndarray:
    """Sum each row's divergence over its response tokens.

    Args:
        reference: The frozen start weights.
        rows: R rows, with the log-probabilities that they were sampled with.
        config: With ``kl_estimator`` and what `prepare_update` and `score_all` read.
        device: Of the model.

    Returns:
        (R,) float64; 0 for a row without response tokens.
    """
    data = reference.score(prepare_update(rows, config, device), config, device)
    columns = data.columns
    assert columns.ref_logp is not None
    divergence = kl_estimate(columns.rollout_logp, columns.ref_logp, config.kl_estimator)
    result = torch.zeros(rows.num_rows, dtype=torch.float64, device=device)
    result.index_add_(0, columns.row_ids, divergence.double())
    return result.cpu().numpy()
