"""Where llama.cpp stores a weight otherwise than transformers, undone without transformers.

This is the independent side of the import's comparison, so nothing here may call transformers.
"""

import numpy as np

from rllib_gigpo.models.gguf.gguf_file import GGUFFile

# RoPE turns pairs of a head's rows. transformers pairs row i with row i + d/2 of the d rows;
# llama.cpp's "llama" graph pairs rows 2i and 2i + 1, so its converter reorders the rows of q and k
# (`LlamaModel.permute` and `undo_permute` in conversion/llama.py, once convert_hf_to_gguf.py).
# Qwen's and Gemma's graphs pair as transformers does, and their rows keep their order.
_PAIRED_ROWS = ("llama",)
# Their norms multiply by 1 + weight in transformers; llama.cpp stores the sum.
_NORMS_PLUS_ONE = ("gemma2", "gemma3")


def as_in_transformers(file: GGUFFile, name: str) -> np.ndarray:
    """Return a tensor's float32 values in the layout of transformers.

    Args:
        file: The GGUF file.
        name: llama.cpp's name of the tensor.
    """
    weights = file.dequantised(name)
    if file.architecture in _PAIRED_ROWS and (".attn_q." in name or ".attn_k." in name):
        has_groups = ".attn_k." in name and file.has_setting("attention.head_count_kv")
        heads = "attention.head_count_kv" if has_groups else "attention.head_count"
        return unpaired_rows(weights, file.number(heads))
    if file.architecture in _NORMS_PLUS_ONE and name.endswith("norm.weight"):
        return weights - np.float32(1)
    return weights


def unpaired_rows(weights: np.ndarray, num_heads: int) -> np.ndarray:
    """Sort the rows of q or k from llama.cpp's order into transformers'.

    In a head of d rows, transformers' row ``half * d/2 + i`` is llama.cpp's row ``2 * i + half``.

    Args:
        weights: A matrix, or a bias; its first axis has ``num_heads * d`` rows.
        num_heads: The number of heads: for k, of key-value heads.
    """
    rows = len(weights) // num_heads
    order = [
        head * rows + 2 * i + half
        for head in range(num_heads)
        for half in range(2)
        for i in range(rows // 2)
    ]
    return weights[order]
