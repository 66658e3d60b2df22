"""`Trunk`: the part of a causal LM up to its last hidden states, run on micro-batches."""

from __future__ import annotations

from typing import Any

import torch

from rllib_gigpo.layout.micro_batch import FLEX, MicroBatch
from rllib_gigpo.layout.tree_mask import additive_mask, block_mask, positions

# flex_attention is compiled three or four times (one tree or more, the first length, any length),
# with gradients and without, and for each type. Beyond torch's limit (8 in 2.11 and 2.13) it would
# run uncompiled.
_MAX_COMPILED = 32


class Trunk:
    """A trunk, with the attention that each kind of micro-batch needs."""

    def __init__(self, module: Any) -> None:
        """Run ``module``, a transformers model whose output has ``last_hidden_state``."""
        self.module = module
        self._own_attention = module.config._attn_implementation

    def __call__(self, micro_batch: MicroBatch) -> torch.Tensor:
        """Return the last hidden states of a micro-batch, (B·L, H).

        Trees always get an explicit mask: without one, transformers (5.19) would take the jumps of
        their positions for the borders of packed sequences.
        """
        inputs = self.inputs(micro_batch)
        if micro_batch.subtree_ends is None:
            self.use_own_attention()
        else:
            self._use(micro_batch.tree_attention)
            inputs["position_ids"] = positions(micro_batch.subtree_ends)
            inputs["attention_mask"] = self._mask(micro_batch)
        output = self.run({**inputs, "use_cache": False})
        return output.last_hidden_state.flatten(0, 1)

    def run(self, inputs: dict[str, Any]) -> Any:
        """Run the module and return its output."""
        return self.module(**inputs)

    def inputs(self, micro_batch: MicroBatch) -> dict[str, Any]:
        """Return what the module reads: the tokens, or their embeddings."""
        return {"input_ids": micro_batch.input_ids}

    def use_own_attention(self) -> None:
        """Return to the attention that the model was opened with."""
        self._use(self._own_attention)

    def _use(self, attention: str) -> None:
        """Choose the attention until the next call: checkpointed layers run again in between."""
        if attention == FLEX:
            _allow_compiled_variants()
        if self.module.config._attn_implementation != attention:
            self.module.set_attn_implementation(attention)

    def _mask(self, micro_batch: MicroBatch) -> Any:
        subtree_ends = micro_batch.subtree_ends
        assert subtree_ends is not None
        if micro_batch.tree_attention == FLEX:
            return block_mask(subtree_ends)
        device = subtree_ends.device.type
        is_mixed = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if is_mixed else self.module.dtype
        return additive_mask(subtree_ends, dtype)


def _allow_compiled_variants() -> None:
    """Raise torch's limit of compiled variants of a function to `_MAX_COMPILED`."""
    import torch._dynamo

    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, _MAX_COMPILED)
