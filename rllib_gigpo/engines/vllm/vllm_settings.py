"""From ``EngineSettings`` to the arguments of vLLM's engine (vLLM 0.32, which is not imported).

Each default below is there for a measured or documented reason; ``engine_kwargs`` overrides all but
the ones on which the interface's promises rest.
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

# The options that carry the engine's promises, each with the way to get what one may want by it.
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
    "generation_config": "the model's own sampling defaults would change the distribution unseen",
    "skip_tokenizer_init": "the engine reads and writes token ids only",
    "enable_lora": 'llm(lora={"sync": "adapter"}) sets it',
    "max_lora_rank": "llm(lora=...) sets it",
    "speculative_config": "log-probs of speculative tokens are not those of the policy",
}
_FIXED_ON_CPU = {
    "enable_chunked_prefill": "seeded requests fail with chunked prefill on CPUs (vLLM 0.32)",
    "distributed_executor_backend": "a CPU engine lives in the runner's process",
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
        "enable_prefix_caching": True,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "weight_transfer_config": {"backend": WEIGHT_TRANSFER_BACKEND},
        "worker_extension_cls": WORKER_EXTENSION,
    }
    arguments |= _gpu_arguments(settings) if on_gpu else _cpu_arguments(settings, facts)
    if settings.lora is not None:
        arguments |= _lora_arguments(settings.lora)
    return arguments | dict(settings.engine_kwargs)


def check_engine_kwargs(engine_kwargs: Mapping[str, Any], *, on_gpu: bool) -> None:
    """Refuse the options on which the interface's promises rest.

    Raises:
        ConfigError: Names each of them, with the way to get what one may want by it.
    """
    fixed = FIXED_OPTIONS if on_gpu else FIXED_OPTIONS | _FIXED_ON_CPU
    mistakes = [f"{name!r}: {fixed[name]}" for name in sorted(set(engine_kwargs) & set(fixed))]
    if mistakes:
        raise ConfigError(
            "engine_kwargs holds options that are not free. Remove " + "; ".join(mistakes) + "."
        )


def _lora_arguments(lora: LoraSettings) -> dict[str, Any]:
    """One adapter, in vLLM's smallest slot that its rank fits into."""
    return {
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": min(rank for rank in ADAPTER_RANKS if rank >= lora.rank),
    }


def _gpu_arguments(settings: EngineSettings) -> dict[str, Any]:
    """GPU defaults (untested on a GPU)."""
    return {
        # Beside a Learner on the same GPU the engine takes less and sleeps during the update.
        "gpu_memory_utilization": 0.45 if settings.share_gpu else 0.9,
        "enable_sleep_mode": settings.share_gpu,
        # Left to itself vLLM would start Ray actors of its own inside a Ray worker.
        "distributed_executor_backend": "mp" if settings.tensor_parallel_size > 1 else "uni",
    }


def _cpu_arguments(settings: EngineSettings, facts: ModelFacts) -> dict[str, Any]:
    max_num_seqs = int(settings.engine_kwargs.get("max_num_seqs", _CPU_MAX_NUM_SEQS))
    return {
        "distributed_executor_backend": "uni",
        "enforce_eager": True,
        # vLLM's own CPU default is 128, by which prompts below 128 tokens never share a prefix.
        "block_size": _CPU_BLOCK_TOKENS,
        "max_num_seqs": max_num_seqs,
        # With a size given, vLLM neither measures memory by a trial run nor takes most of it.
        "kv_cache_memory_bytes": kv_cache_bytes(settings, facts, num_sequences=max_num_seqs),
        # A seeded request whose prompt is cut in chunks ends in "CPU Generator does not use
        # offset" (vLLM 0.32). Whole prompts only; so one step must be able to hold any prompt.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(settings.max_model_len, 8192),
    }


def kv_cache_bytes(settings: EngineSettings, facts: ModelFacts, *, num_sequences: int) -> int:
    """Return the size of a KV cache that holds ``num_sequences`` sequences of full length.

    At most 40 % of the free memory, at least two sequences; 1 GiB where the model's config does not
    have the usual fields.
    """
    per_token = _kv_bytes_per_token(facts.config, settings.dtype)
    if per_token is None:
        return _GIB
    blocks = -(-settings.max_model_len // _CPU_BLOCK_TOKENS) + 1
    per_sequence = blocks * _CPU_BLOCK_TOKENS * per_token
    most = int(0.4 * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return max(min(num_sequences * per_sequence, most), 2 * per_sequence)


def _kv_bytes_per_token(config: Any, dtype: str) -> int | None:
    try:
        num_layers, num_heads = config.num_hidden_layers, config.num_attention_heads
        head_size = getattr(config, "head_dim", None) or config.hidden_size // num_heads
    except AttributeError:
        return None
    num_kv_heads = getattr(config, "num_key_value_heads", None) or num_heads
    return 2 * num_layers * num_kv_heads * head_size * (4 if dtype == "float32" else 2)
