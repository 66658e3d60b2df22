"""Writes a tiny model as a GGUF file, as llama.cpp's converter and its quantiser would."""

import json

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from support.chat.families import CHATML, TEXTS
from transformers import AutoModelForCausalLM, LlamaConfig

from rllib_gigpo.models.tiny_model import build_tokenizer

NORMAL, CONTROL = 1, 3  # llama.cpp's types of tokens
_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_GEMMA_NAMES = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def tiny_tokenizer():
    return build_tokenizer(TEXTS, 400)


def llama_config(tokenizer, **changes):
    """Two layers; four heads share two key-value heads."""
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 256,
        "tie_word_embeddings": True,
    }
    return LlamaConfig(**{**settings, **changes})


def random_model(config):
    """Return a model whose norms and biases are random, too, so that each of them counts."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).float().eval()
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def permute(weights, num_heads):
    """Store the rows of q or k as `LlamaModel.permute` of llama.cpp's converter does."""
    halves = weights.reshape(num_heads, 2, len(weights) // num_heads // 2, *weights.shape[1:])
    return halves.swapaxes(1, 2).reshape(weights.shape)


def stored_type(name, kinds):
    """Return the type of a tensor: matrices by the names in ``kinds``, all else in float32."""
    return next((kind for part, kind in kinds.items() if part in name), Type.F32)


def stored_values(weights, kind):
    """Return what remains of float32 weights after they were stored with a type."""
    return gguf.dequantize(gguf.quantize(weights, kind), kind)


def model_tensors(model):
    """Yield (transformers' name, values) of each tensor, tied embeddings once."""
    for name, tensor in model.named_parameters():
        yield name, tensor.detach().numpy()


def llama_cpp_name(name, architecture="llama"):
    names = _NAMES | (_GEMMA_NAMES if architecture == "gemma3" else {})
    stem, _, suffix = name.rpartition(".")
    if stem.startswith("model.layers."):
        _, _, layer, part = stem.split(".", 3)
        return f"blk.{layer}.{names[part]}.{suffix}"
    return f"{names[stem]}.{suffix}"


def write_gguf(
    path,
    model,
    tokenizer,
    *,
    architecture="llama",
    kinds=(),
    permuted=True,
    template=CHATML,
    without=(),
    split="qwen2",
    extra_tensors=(),
    **metadata,
):
    """Write the file; ``kinds`` maps parts of llama.cpp's names to types of numbers."""
    values = {**_model_values(model, architecture), **_tokenizer_values(tokenizer, split)}
    if template is not None:
        values["tokenizer.chat_template"] = template
    values |= {key.replace("__", "."): value for key, value in metadata.items()}
    writer = gguf.GGUFWriter(path, values.pop("general.architecture", architecture))
    for key, value in values.items():
        if not any(part in key for part in without):
            _add(writer, key, value)
    heads = {"attn_q": "num_attention_heads", "attn_k": "num_key_value_heads"}
    for name, weights in model_tensors(model):
        stored = llama_cpp_name(name, architecture)
        part = stored.split(".")[-2]
        if architecture == "llama" and permuted and part in heads:
            weights = permute(weights, getattr(model.config, heads[part]))
        if architecture == "gemma3" and part.endswith("norm"):
            weights = weights + np.float32(1)
        kind = stored_type(stored, dict(kinds)) if weights.ndim > 1 else Type.F32
        writer.add_tensor(stored, gguf.quantize(weights, kind), raw_dtype=kind)
    for name, weights, kind in extra_tensors:
        writer.add_tensor(name, weights, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _model_values(model, architecture):
    config = model.config
    rope = config.rope_parameters
    values = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "attention.key_length": getattr(config, "head_dim", None) or 16,
        "rope.dimension_count": getattr(config, "head_dim", None) or 16,
        "rope.freq_base": float(rope.get("full_attention", rope)["rope_theta"]),
        "vocab_size": config.vocab_size,
    }
    return {f"{architecture}.{key}": value for key, value in values.items()}


def _tokenizer_values(tokenizer, split):
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    special = {token.content for token in tokenizer.added_tokens_decoder.values()}
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": split,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [CONTROL if t in special else NORMAL for t in tokens],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in merges],
        "tokenizer.ggml.eos_token_id": tokenizer.eos_token_id,
        "tokenizer.ggml.padding_token_id": tokenizer.pad_token_id,
    }


def _add(writer, key, value):
    if isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_uint32(key, int(value))


def random_matrix(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)
