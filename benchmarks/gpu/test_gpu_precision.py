"""Autocast on the GPU: log-probs stay close to those of float32, and sharing stays possible."""

import numpy as np
import pytest
import torch

from rllib_gigpo.errors import UpdateError
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.row_layout import LayoutCosts
from rllib_gigpo.learner.scoring import ForwardSettings, score_all
from rllib_gigpo.learner.sharding.single import Single
from rllib_gigpo.learner.update_data import prepare_update
from rllib_gigpo.loss.aggregation import TokenMean

pytestmark = pytest.mark.gpu


def padded(rows, device, *, max_tokens=2048):
    layout = PaddedRows(LayoutCosts(), max_tokens=max_tokens)
    return prepare_update(rows, TokenMean(), layout=layout, sharding=Single(), device=device)


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
def test_autocast_log_probs_are_close_to_those_of_float32(
    make_adapter, rows, device, is_rehearsal, kind
):
    adapter, data = make_adapter(kind), padded(rows, device)
    exact, mixed = (
        score_all(adapter, data, ForwardSettings(device, 64, dtype)) for dtype in (None, "bfloat16")
    )
    assert exact.dtype == mixed.dtype == torch.float32
    differences = (exact - mixed).abs()
    assert differences.max() < 0.2
    assert differences.mean() < 0.03
    assert is_rehearsal or differences.max() > 0  # autocast did something


def test_a_micro_batch_without_memory_is_told_in_words(
    make_adapter, rows, device, is_rehearsal, monkeypatch
):
    adapter = make_adapter()
    # A million tokens need 4 GiB at once; a hundredth of the GPU's memory is less than 2.
    many = rows.select(np.repeat(np.arange(rows.num_rows), 2 if is_rehearsal else 200))
    data = padded(many, device, max_tokens=10**9)
    if is_rehearsal:
        error = torch.OutOfMemoryError("CUDA out of memory.")
        monkeypatch.setattr(adapter, "hidden_states", lambda batch: (_ for _ in ()).throw(error))
    else:
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(0.01)
    try:
        with pytest.raises(UpdateError, match="micro_batch_tokens") as caught:
            score_all(adapter, data, ForwardSettings(device, 64))
    finally:
        if not is_rehearsal:
            torch.cuda.set_per_process_memory_fraction(1.0)
            torch.cuda.empty_cache()
    assert "CUDA out of memory" in str(caught.value)
