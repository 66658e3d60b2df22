"""LoRA: small trainable matrices added to frozen weights (arXiv 2106.09685), with peft."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rllib_gigpo.errors import CheckpointError, ConfigError, MissingExtraError
from rllib_gigpo.models.lora_settings import LoraSettings

ADAPTER = "default"  # peft's name of the one adapter
_ADAPTER_FILE = "adapter_model.safetensors"
_FILE_PREFIX = "base_model.model."


def add_lora(
    model: Any, settings: LoraSettings, *, seed: int = 0, without: Sequence[str] = ()
) -> None:
    """Add adapters to a model in place and freeze its own weights; B starts at 0.

    Args:
        model: A Hugging Face causal LM.
        settings: The size and place of the adapters.
        seed: The seed of A's random values, which are then equal in every Learner and run.
        without: Names of parts of the model that get no adapters.

    Raises:
        ConfigError: A name matches no linear layer, or matches an embedding.
        MissingExtraError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError(
            'llm(lora=...) needs peft: pip install "rllib-gigpo[lora]"'
        ) from error
    targets = settings.target_modules
    embeddings = (model.get_input_embeddings(), model.get_output_embeddings())
    choices = _linear_names(model, without=embeddings)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=targets if isinstance(targets, str) else list(targets),
        exclude_modules=rf".*\b({'|'.join(without)})\..*" if without else None,
        lora_dropout=0.0,  # the ratio to the rollout must be 1 before the first step
    )
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    except ValueError as error:
        raise _bad_targets(targets, "must all be linear layers", choices) from error
    wrapped = dict(_lora_layers(model))
    if any(layer.base_layer in embeddings for layer in wrapped.values()):
        # Tied embeddings are one matrix, so the adapter of one would be missing from the other.
        raise _bad_targets(targets, "include an embedding, which cannot have an adapter", choices)
    names = [] if isinstance(targets, str) else targets
    unknown = [name for name in names if not any(_is_named(path, name) for path in wrapped)]
    if unknown:
        raise _bad_targets(targets, f"include {unknown!r}, which match no layer", choices)


def lora_paths(model: nn.Module) -> list[str]:
    """Return the paths of the layers that have adapters."""
    return [path for path, _ in _lora_layers(model)]


def has_lora(model: nn.Module) -> bool:
    """Return whether a model has adapters."""
    return any(True for _ in _lora_layers(model))


@contextmanager
def lora_disabled(model: nn.Module) -> Iterator[None]:
    """Disable a model's adapters inside the block."""
    layers = [layer for _, layer in _lora_layers(model)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def _itself(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


@torch.no_grad()
def merged_weights(
    model: nn.Module, *, whole: Callable[[torch.Tensor], torch.Tensor] = _itself
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the weights under their Hugging Face names, merged as W + (alpha / r)·B·A.

    Args:
        model: A model with or without adapters.
        whole: Returns the whole of a tensor that may be sharded; only merged ones need it.

    Yields:
        (name, tensor) on the model's device; without adapters, the weights themselves.
    """
    layers = dict(_lora_layers(model))
    for name, value in plain_weights(model):
        owner, _, leaf = name.rpartition(".")
        if leaf == "weight" and owner in layers:
            yield name, whole(value) + _delta(layers[owner], whole)
        else:
            yield name, value


def plain_weights(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the model's own weights without its adapters, under their Hugging Face names."""
    for name, value in model.state_dict(keep_vars=True).items():
        if ".lora_" not in name:
            yield name.replace(".base_layer.", "."), value


def _delta(layer: Any, whole: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Return (alpha / r)·B·A, as peft's ``get_delta_weight`` does for whole tensors."""
    product = whole(layer.lora_B[ADAPTER].weight) @ whole(layer.lora_A[ADAPTER].weight)
    return (product.T if layer.fan_in_fan_out else product) * layer.scaling[ADAPTER]


def adapter_weights(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the adapters' matrices under the names in peft's files."""
    from peft.utils import get_peft_model_state_dict

    for name, value in get_peft_model_state_dict(model, adapter_name=ADAPTER).items():
        yield f"{_FILE_PREFIX}{name}", value


def save_adapter(
    model: nn.Module, settings: LoraSettings, folder: Path, weights: Mapping[str, torch.Tensor]
) -> None:
    """Write only the adapters, in peft's format; ``weights`` are those of `adapter_weights`."""
    from peft import LoraConfig
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    targets = sorted({name.rpartition(".")[2] for name, _ in _lora_layers(model)})
    LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=targets,
        task_type="CAUSAL_LM",
    ).save_pretrained(str(folder))
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    save_file(tensors, str(folder / _ADAPTER_FILE), metadata={"format": "pt"})


def load_adapter(
    model: nn.Module,
    folder: Path,
    *,
    share: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = lambda whole, own: whole,
) -> None:
    """Load the adapters that `save_adapter` wrote.

    Args:
        model: A model with adapters.
        folder: The folder of the files.
        share: Cuts a whole tensor (first argument) like the model's sharded one (second).

    Raises:
        CheckpointError: The folder has no adapter, or one with another rank or other layers.
    """
    from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    file = folder / _ADAPTER_FILE
    if not file.is_file():
        raise CheckpointError(
            f"{folder} holds no adapter: the checkpoint was made without lora; restore without it"
        )
    state = {name.removeprefix(_FILE_PREFIX): value for name, value in load_file(file).items()}
    own = sum(value.numel() for name, value in model.state_dict().items() if ".lora_" in name)
    saved = sum(value.numel() for value in state.values())
    if own != saved:
        raise CheckpointError(
            f"{folder}: the adapter has {saved:,} parameters, but the config's lora has {own:,};"
            " restore with the config that made the checkpoint"
        )
    own_parts = get_peft_model_state_dict(model, adapter_name=ADAPTER)
    state = {name: share(value, own_parts[name]) for name, value in state.items()}
    set_peft_model_state_dict(model, state, adapter_name=ADAPTER)


def _lora_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_modules():
        if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
            yield name, module


def _linear_names(model: nn.Module, *, without: Sequence[nn.Module]) -> list[str]:
    layers = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear))
    return sorted({name.rpartition(".")[2] for name, layer in layers if layer not in without})


def _is_named(path: str, name: str) -> bool:
    """Return whether peft matches a layer to a name: the path is the name or ends in it."""
    return path == name or path.endswith(f".{name}")


def _bad_targets(targets: str | Sequence[str], what: str, choices: list[str]) -> ConfigError:
    return ConfigError(
        f"lora: target_modules={targets!r} {what}; the model's linear layers are"
        f" {', '.join(choices)}"
    )
