"""Settings of the inference engine, and of sampling in evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, PositiveFloat, PositiveInt

from rllib_gigpo.engines import known_engine
from rllib_gigpo.engines.inference_engine import EngineDType, EvalSampling
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.options.section import Section, setting
from rllib_gigpo.weights.transfers import TRANSFERS, WeightTransfer, remote_transfer


class InferenceSection(Section):
    """Settings of `GiGPOConfig.inference`."""

    engine: Annotated[str, AfterValidator(known_engine)] = setting(
        "vllm", "'vllm', 'transformers' (slow, exact), or import path of an `InferenceEngine`."
    )
    engine_dtype: EngineDType | None = setting(None, "None: the Learner's; 'auto': the faster.")
    tensor_parallel_size: PositiveInt = setting(1, "GPUs per engine; untested.")
    eval_sampling: EvalSampling = setting({}, "How evaluation samples tokens.")
    engine_kwargs: Mapping[str, Any] = setting({}, "Engine options; they override our defaults.")
    share_gpu: bool = setting(False, "Engine and Learner take turns on one GPU; untested.")
    max_concurrent_episodes: PositiveInt | None = setting(None, "Per EnvRunner; None for all.")
    weight_sync: Annotated[WeightTransfer, TRANSFERS] = setting("full", "What an update holds.")
    engine_timeout_s: PositiveFloat = setting(600.0, "Longest stall of the engine, in seconds.")
    weight_sync_timeout_s: PositiveFloat = setting(600.0, "Longest weight transfer, in seconds.")


def adapters(lora: LoraSettings | None, engine: str) -> Iterator[str]:
    """Reject adapters for the engine that takes whole weights only."""
    if lora is not None and lora.is_hot and engine == "transformers":
        yield "lora: sync='adapter' needs vLLM; use sync='merged' with engine='transformers'"


CHECKS = (adapters, remote_transfer)
