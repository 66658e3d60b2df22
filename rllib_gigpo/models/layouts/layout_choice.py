"""Chooses the layout of a Learner's rows: padded rows, prefix trees, or the cheaper of the two."""

from __future__ import annotations

import logging

import torch

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.layout.micro_batch import FLEX
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.prefix_trees import PrefixTrees, TreeLimits
from rllib_gigpo.layout.row_layout import CheapestLayout, FirstLayout, RowLayout
from rllib_gigpo.models.hardware.pass_memory import MASKED_TREE_TOKENS
from rllib_gigpo.models.layouts.layout_costs import layout_costs
from rllib_gigpo.models.layouts.prefix_sharing import Sharing, examine_sharing
from rllib_gigpo.models.model_adapter import ModelAdapter

logger = logging.getLogger(__name__)

# Fast kernels on GPUs want masks of whole blocks of 8.
_MASKED_LENGTHS = tuple(range(8, MASKED_TREE_TOKENS + 1, 8))
# flex_attention may be compiled again for a new length: steps of a third to a half.
_FLEX_LENGTHS = tuple(step * 2**power for power in range(7, 17) for step in (2, 3))


def make_layout(
    adapter: ModelAdapter,
    prefix_sharing: str | bool,
    *,
    max_tokens: int,
    device: torch.device,
    autocast_dtype: str | None = None,
) -> RowLayout:
    """Build the layout for a setting, after a look at what the model allows.

    Args:
        adapter: The adapter of the policy, on its device.
        prefix_sharing: True: trees, where they are exact; False: padded rows; "auto": for each
            mini-batch whichever is predicted to be faster.
        max_tokens: Largest number of positions of a micro-batch.
        device: The model's device.
        autocast_dtype: Type of matrix products; None for that of the weights.

    Raises:
        ConfigError: Trees are demanded, but are not exact for this model.
    """
    text_config = adapter.model.config.get_text_config()
    costs = layout_costs(text_config, device, autocast_dtype=autocast_dtype)
    padded = PaddedRows(costs, max_tokens=max_tokens)
    if prefix_sharing is False:
        return padded
    sharing = examine_sharing(adapter)
    if sharing.max_depth == 0:
        _report(adapter, sharing, is_demanded=prefix_sharing is True)
        return padded
    trees = PrefixTrees(costs, _limits(sharing, max_tokens, device), max_tokens=max_tokens)
    choice = FirstLayout if prefix_sharing is True else CheapestLayout
    return choice(trees, padded)


def _report(adapter: ModelAdapter, sharing: Sharing, *, is_demanded: bool) -> None:
    text = (
        f"This {adapter.model.config.model_type} model's rows cannot share prefixes exactly:"
        f" {sharing.reason}"
    )
    if is_demanded:
        raise ConfigError(f"{text}. Set learners(prefix_sharing='auto') or False.")
    logger.warning(
        "%s. Each row is computed alone; learners(prefix_sharing=False) silences this.", text
    )


def _limits(sharing: Sharing, max_tokens: int, device: torch.device) -> TreeLimits:
    if sharing.attention == FLEX:
        lengths = (*(size for size in _FLEX_LENGTHS if size < max_tokens), max_tokens)
        return TreeLimits(max_tokens, sharing.max_depth, lengths, FLEX)
    blocks = _MASKED_LENGTHS if device.type == "cuda" else ()
    return TreeLimits(MASKED_TREE_TOKENS, sharing.max_depth, blocks)
