"""Translates ``EngineSettings`` to the arguments of vLLM's engine (0.32), without importing vllm.

Each default below has a measured or documented reason. ``engine_kwargs`` overrides all of them
except those that the interface relies on.
"""

import os
from collections.abc import Mapping
from typing import Any

from rllib_gigpo.engines.inference_engine import EngineSettings
from rllib_gigpo.engines.model_facts import ModelFacts
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.lora_settings import ADAPTER_RANKS, LoraSettings

WEIGHT_TRANSFER_BACKEND = "rllib_gigpo"
WORKER_EXTENSION = "rllib_gigpo.engines.vllm.vllm_weights.WorkerExtension"

_GIB = 2**30
_CPU_BLOCK_TOKENS = 32
_CPU_MAX_NUM_SEQS = 128
_LARGE_SEQUENCES = 32

# The options that the interface relies on, each with its reason or the setting to use instead.
FIXED_OPTIONS = {
    "model": "llm(model_path=...) sets it",
    "dtype": "inference(engine_dtype=...) sets it",
    "max_model_len": "it is llm(max_prompt_tokens=...) + llm(max_response_tokens=...)",
    "seed": "debugging(seed=...) sets it",
    "tensor_parallel_size": "inference(tensor_parallel_size=...) sets it",
    "enable_sleep_mode": "inference(share_gpu=True) sets it",
    "logprobs_mode": "the policy ratio needs the log-probs of the distribution sampled from",
    "weight_transfer_config": "new weights arrive through the package's own backend",
    "worker_extension_cls": "the package needs its own extension",
    "generation_config": "the model's sampling defaults would silently change the distribution",
    "skip_tokenizer_init": "the engine reads and writes token ids only",
    "enable_lora": 'llm(lora={"sync": "adapter"}) sets it',
    "max_lora_rank": "llm(lora=...) sets it",
    "limit_mm_per_prompt": 'llm(images={"max_in_prompt": ...}) sets it',
    "mm_device_do_normalize": "pixels arrive normalised",
    "speculative_config": "log-probs of speculative tokens are not those of the policy",
}
_FIXED_ON_CPU = {
    "enable_chunked_prefill": "seeded requests fail with chunked prefill on CPUs (vLLM 0.32)",
    "distributed_executor_backend": "a CPU engine runs in the EnvRunner's process",
}


def engine_arguments(
    settings: EngineSettings, facts: ModelFacts, *, on_gpu: bool
) -> dict[str, Any]:
    """Return the keyword arguments of vLLM's ``EngineArgs``."""
    arguments: dict[str, Any] = {
        "model": settings.model_path,
        "dtype": settings.dtype,
        "max_model_len": settings.max_model_len,
        "seed": settings.seed,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "logprobs_mode": "processed_logprobs",
        "generation_config": "vllm",
        "skip_tokenizer_init": True,
        # The state of a recurrent layer is that of a whole prompt; vLLM caches it only in chunks.
        "enable_prefix_caching": not facts.is_stateful,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        # If Mistral's own files are in the folder too, "auto" would load those.
        "config_format": "hf",
        "load_format": "hf",
        "weight_transfer_config": {"backend": WEIGHT_TRANSFER_BACKEND},
        "worker_extension_cls": WORKER_EXTENSION,
    }
    arguments |= _gpu_arguments(settings) if on_gpu else _cpu_arguments(settings, facts)
    arguments |= _context_arguments(settings, facts)
    if facts.reads_images:
        arguments |= _image_arguments(settings)
    if settings.lora is not None:
        arguments |= _lora_arguments(settings.lora)
    return arguments | dict(settings.engine_kwargs)


def check_engine_kwargs(engine_kwargs: Mapping[str, Any], *, on_gpu: bool) -> None:
    """Check that ``engine_kwargs`` has no option that the interface relies on.

    Raises:
        ConfigError: It has some; the message gives the reason or the setting to use for each.
    """
    fixed = FIXED_OPTIONS if on_gpu else FIXED_OPTIONS | _FIXED_ON_CPU
    mistakes = [f"{name!r}: {fixed[name]}" for name in sorted(set(engine_kwargs) & set(fixed))]
    if mistakes:
        raise ConfigError(
            "engine_kwargs has options that are fixed. Remove " + "; ".join(mistakes) + "."
        )


def _context_arguments(settings: EngineSettings, facts: ModelFacts) -> dict[str, Any]:
    """Return what makes vLLM accept a context that the model has by YaRN; `check_context` judged.

    vLLM (0.32) takes ``max_position_embeddings`` for the scaled length, but the usual recipe for
    YaRN leaves the original length there.
    """
    stated = getattr(facts.config, "max_position_embeddings", None)
    if stated is None or settings.max_model_len <= stated:
        return {}
    return {"hf_overrides": {"max_position_embeddings": settings.max_model_len}}


def _lora_arguments(lora: LoraSettings) -> dict[str, Any]:
    """Return the options for one adapter, in the smallest slot of vLLM that fits its rank."""
    return {
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": min(rank for rank in ADAPTER_RANKS if rank >= lora.rank),
    }


def _image_arguments(settings: EngineSettings) -> dict[str, Any]:
    """Return the options of models of text and images, whose pixels arrive processed."""
    return {
        "skip_tokenizer_init": False,  # vLLM's processor, which it needs to start, has it
        "limit_mm_per_prompt": {"image": settings.max_prompt_images, "video": 0},
        "mm_device_do_normalize": False,  # it would normalise our pixels again
        "mm_processor_cache_gb": 0,  # each request brings its pixels, so nobody would read it
    }


def _gpu_arguments(settings: EngineSettings) -> dict[str, Any]:
    """Return the GPU defaults (untested on a GPU)."""
    return {
        # If it shares the GPU with a Learner, the engine takes less and sleeps during the update.
        "gpu_memory_utilization": 0.45 if settings.share_gpu else 0.9,
        "enable_sleep_mode": settings.share_gpu,
        # Otherwise a step is under way while the weights change. None: vLLM's own choice.
        "async_scheduling": False if settings.updates_in_flight else None,
        # By default vLLM would start its own Ray actors inside a Ray worker.
        "distributed_executor_backend": "mp" if settings.tensor_parallel_size > 1 else "uni",
    }


def _cpu_arguments(settings: EngineSettings, facts: ModelFacts) -> dict[str, Any]:
    max_num_seqs = int(settings.engine_kwargs.get("max_num_seqs", _CPU_MAX_NUM_SEQS))
    return {
        "distributed_executor_backend": "uni",
        "enforce_eager": True,
        # With vLLM's CPU default of 128, prompts below 128 tokens would never share a prefix.
        "block_size": _CPU_BLOCK_TOKENS,
        "max_num_seqs": max_num_seqs,
        # Given a size, vLLM neither measures memory with a trial run nor takes most of it.
        "kv_cache_memory_bytes": kv_cache_bytes(settings, facts, num_sequences=max_num_seqs),
        # A seeded request whose prompt is split into chunks fails with "CPU Generator does not use
        # offset" (vLLM 0.32). Prompts stay whole, so one step must be able to hold any prompt.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(settings.max_model_len, 8192),
    }


def kv_cache_bytes(settings: EngineSettings, facts: ModelFacts, *, num_sequences: int) -> int:
    """Return the size of a KV cache for ``num_sequences`` sequences of full length.

    Beyond 1 GiB it is for 32 of them: few have the full length, they share prefixes, and the others
    wait. At most 40 % of the free memory, but at least two sequences; 1 GiB if the model's config
    lacks the usual fields.
    """
    per_token = _kv_bytes_per_token(facts.config, settings.dtype)
    if per_token is None:
        return _GIB
    blocks = -(-settings.max_model_len // _CPU_BLOCK_TOKENS) + 1
    per_sequence = blocks * _CPU_BLOCK_TOKENS * per_token
    enough = most_cache_bytes(per_sequence)
    most = int(0.4 * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return max(min(num_sequences * per_sequence, enough, most), 2 * per_sequence)


def most_cache_bytes(per_sequence: int) -> int:
    """Return our bound on a CPU's KV cache: 1 GiB, or 32 sequences if those are larger."""
    return max(_GIB, _LARGE_SEQUENCES * per_sequence)


def _kv_bytes_per_token(config: Any, dtype: str) -> int | None:
    try:
        num_layers, num_heads = config.num_hidden_layers, config.num_attention_heads
        head_size = getattr(config, "head_dim", None) or config.hidden_size // num_heads
    except AttributeError:
        return None
    num_kv_heads = getattr(config, "num_key_value_heads", None) or num_heads
    return 2 * num_layers * num_kv_heads * head_size * (4 if dtype == "float32" else 2)
