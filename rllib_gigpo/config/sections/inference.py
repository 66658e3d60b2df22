"""The inference engine of the EnvRunners, and how evaluation samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, PositiveFloat, PositiveInt

from rllib_gigpo.engines import known_engine
from rllib_gigpo.engines.inference_engine import DType, EvalSampling
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.options.section import Section, setting


class InferenceSection(Section):
    """Settings of `GiGPOConfig.inference`."""

    engine: Annotated[str, AfterValidator(known_engine)] = setting(
        "vllm", "'vllm', 'transformers' (slow, exact), or an `InferenceEngine` by import path."
    )
    engine_dtype: DType | None = setting(None, "Type of the engine's weights; None: the Learner's.")
    tensor_parallel_size: PositiveInt = setting(1, "GPUs per engine; untested.")
    eval_sampling: EvalSampling = setting({}, "How evaluation draws tokens.")
    engine_kwargs: Mapping[str, Any] = setting({}, "Passed to the engine, after our own.")
    share_gpu: bool = setting(False, "One GPU for engine and Learner, in turn; untested.")
    max_concurrent_episodes: PositiveInt | None = setting(
        None, "Episodes that one EnvRunner plays at a time; None for all."
    )
    engine_timeout_s: PositiveFloat = setting(600.0, "Seconds that an engine may stand still.")
    weight_sync_timeout_s: PositiveFloat = setting(600.0, "Seconds to wait for new weights.")


def adapters(lora: LoraSettings | None, engine: str) -> Iterator[str]:
    """The exact engine takes whole weights only."""
    if lora is not None and lora.is_hot and engine == "transformers":
        yield "lora: sync='adapter' is vLLM's; use sync='merged' with engine='transformers'"


CHECKS = (adapters,)
