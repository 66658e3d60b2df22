"""Whether rows that share a prefix may share its computation: exactly, or not at all."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from rllib_gigpo.layout.micro_batch import FLEX, SDPA, MicroBatch
from rllib_gigpo.models.model_adapter import ModelAdapter

# Layers in which a token sees earlier tokens only through an attention mask.
_MASKED_LAYERS = {"full_attention", "sliding_attention", "chunked_attention", "attention"}
_WINDOWS = ("sliding_window", "attention_chunk_size", "attention_window_size", "window_size")
# Their rotations depend on the longest row of a batch, beyond the original length.
_LENGTH_DEPENDENT_ROPE = ("dynamic", "longrope")
_LIMIT = 1e-4  # of a log-prob in float32
_LIMIT_OF_HALF = 0.25  # matrix products of other shapes round differently
_LIMIT_OF_WRONG = 0.05
# Two rows that share three tokens, and their tree.
_ROWS = ((3, 8, 13, 18, 23, 28), (3, 8, 13, 19, 24, 29))
_TREE = (3, 8, 13, 18, 23, 28, 19, 24, 29)
_SUBTREE_ENDS = (9, 9, 9, 6, 6, 6, 9, 9, 9)
_PATHS = ((0, 1, 2, 3, 4, 5), (0, 1, 2, 6, 7, 8))


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a model allows.

    Attributes:
        max_depth: Longest row for which sharing is exact; None for no limit, 0 for never.
        reason: Why not, or why only up to ``max_depth``; None without a limit.
        attention: The kernel for trees.
        difference: Largest difference of a log-prob in the probe; None if it did not run.
    """

    max_depth: int | None = None
    reason: str | None = None
    attention: str = SDPA
    difference: float | None = None


def examine_sharing(adapter: ModelAdapter) -> Sharing:
    """Decide whether a model's rows can share prefixes, and with which attention.

    The architecture decides first, because a short probe cannot see a window. Then a probe compares
    a tree of two branches with separate rows.

    Args:
        adapter: The adapter of a model on its device.
    """
    declared = _declared(adapter.trunk.module)
    if declared.max_depth is not None and declared.max_depth < len(_ROWS[0]):
        return Sharing(max_depth=0, reason=declared.reason)
    try:
        return _probed(adapter, declared)
    finally:
        adapter.trunk.use_own_attention()  # copies of the model start with what it has


def _probed(adapter: ModelAdapter, declared: Sharing) -> Sharing:
    """Try the kernels; the first one whose tree is that of separate rows is used."""
    failure = ""
    for attention in _attentions(adapter.model.device):
        try:
            difference, limit = _difference(adapter, attention), _limit(adapter, attention)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a model's own code may raise anything
            failure = f"its code fails on a tree with {attention} ({type(error).__name__}: {error})"
            continue
        if difference <= limit:
            return Sharing(declared.max_depth, declared.reason, attention, difference)
        failure = (
            f"with {attention}, the log-probs of a tree of two rows differ from those of the rows"
            f" by {difference:.2g} (limit {limit:.2g})"
        )
    return Sharing(max_depth=0, reason=failure)


def _limit(adapter: ModelAdapter, attention: str) -> float:
    """Return the difference that counts as rounding.

    In half precision it is also a share of what goes wrong if the second branch sees the first: the
    probabilities of a model that was just drawn hardly depend on what it sees.
    """
    if adapter.model.dtype in (torch.float32, torch.float64):
        return _LIMIT
    wrong = _difference(adapter, attention, ends=(len(_TREE),) * len(_TREE))
    return min(_LIMIT_OF_HALF, _LIMIT_OF_WRONG * wrong)


def _attentions(device: torch.device) -> tuple[str, ...]:
    """Return the kernels to try: flex_attention skips what the mask hides, but needs a GPU."""
    return (FLEX, SDPA) if device.type == "cuda" else (SDPA,)


def _declared(module: Any) -> Sharing:
    """Read from the configuration and the code what a probe of a few tokens cannot see."""
    config = module.config.get_text_config()
    obstacle = next(_obstacles(module, config), None)
    if obstacle is not None:
        return Sharing(max_depth=0, reason=obstacle)
    windows = [getattr(config, name, None) for name in _WINDOWS]
    if getattr(config, "use_sliding_window", True) is False:
        windows = windows[1:]
    limits = [(one, f"its window has {one} tokens") for one in windows if isinstance(one, int)]
    limits += _rope_limits(config)
    return Sharing(*min(limits, default=(None, None), key=lambda limit: limit[0] or 0))


def _obstacles(module: Any, config: Any) -> Iterator[str]:
    if "position_ids" not in inspect.signature(module.forward).parameters:
        yield "it takes no positions, as with ALiBi or recurrent layers"
    if getattr(config, "alibi", False):
        yield "its attention depends on the distance in the sequence (ALiBi)"
    if getattr(config, "attn_temperature_tuning", False):
        yield "its attention depends on the place in the sequence (temperature tuning)"
    if "mrope_section" in (getattr(config, "rope_parameters", None) or {}):
        yield "its positions have three parts, time, row and column, which a tree does not know"
    if getattr(config, "keep_window_size", None):
        yield "its attention keeps a number of tokens of the whole sequence"
    types = getattr(config, "layer_types", None) or getattr(config, "layers_block_type", None) or ()
    others = sorted(set(types) - _MASKED_LAYERS)
    if others:
        yield f"a mask does not reach its layers of type {', '.join(others)}"
    if getattr(config, "expert_capacity", None):
        yield "its experts take a limited number of tokens of a batch"
    if not (module._supports_sdpa and module._can_set_attn_implementation()):
        yield "it has no attention that takes a mask of any shape (sdpa)"


def _rope_limits(config: Any) -> Iterator[tuple[int, str]]:
    """Yield the lengths up to which rotations do not depend on the batch."""
    rope = getattr(config, "rope_parameters", None) or {}
    for one in [value for value in rope.values() if isinstance(value, dict)] or [rope]:
        if one.get("rope_type") in _LENGTH_DEPENDENT_ROPE:
            length = one.get("original_max_position_embeddings") or config.max_position_embeddings
            yield length, f"its position scaling changes after {length} tokens"


@torch.no_grad()
def _difference(
    adapter: ModelAdapter, attention: str, *, ends: tuple[int, ...] = _SUBTREE_ENDS
) -> float:
    """Return the largest difference between a tree's log-probs and those of its rows."""
    num_ids = adapter.model.get_input_embeddings().weight.shape[0]
    rows, tree, subtree_ends, paths = (
        torch.tensor(values, device=adapter.model.device)
        for values in (_ROWS, (_TREE,), (ends,), _PATHS)
    )
    none = rows.new_zeros(0)

    def log_probs(ids: torch.Tensor, ends: torch.Tensor | None) -> torch.Tensor:
        micro_batch = MicroBatch(
            ids % num_ids,
            *(none, none, none, none, none),
            subtree_ends=ends,
            tree_attention=attention,
        )
        logits = adapter.position_logits(micro_batch, chunk_tokens=micro_batch.input_ids.numel())
        return logits.float().log_softmax(-1)

    expected = log_probs(rows, None)
    if not expected.isfinite().any(-1).all():
        return 0.0  # weights without numbers: the update says so
    found = log_probs(tree, subtree_ends)[paths.flatten()]
    both = expected.isfinite() | found.isfinite()
    return (expected - found).abs()[both].max().item()
