"""Compares an imported model's tensors with what gguf itself reads from the file."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.gguf.gguf_file import GGUFFile
from rllib_gigpo.models.gguf.stored_layout import as_in_transformers
from rllib_gigpo.models.weight_files import tensor_files

# Of a tensor's largest value: another order of the same float32 operations.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class TensorCheck:
    """The result of a comparison that found no difference that matters."""

    num_tensors: int
    largest_deviation: float  # from gguf's values, after these are rounded to the model's dtype
    largest_rounding: float  # what rounding to the dtype changed; 0 for float32


def check_tensors(folder: Path, file: GGUFFile) -> TensorCheck:
    """Compare each tensor of a model folder with the file that it was imported from.

    Tied embeddings are one tensor in both. Every tensor of the file must be in the model, too: one
    that transformers does not know would be missing from the computation.

    Args:
        folder: The imported model.
        file: The GGUF file.

    Raises:
        ConfigError: A tensor differs, or exists on one side only.
    """
    names = _names_in_file(folder, file)
    unread = sorted(set(file.tensors) - set(names.values()))
    if unread:
        raise ConfigError(
            f"{file.path} has {len(unread)} tensors that transformers does not read"
            f" ({', '.join(unread[:3])}), so the imported model would compute something else: use"
            " the model's own Hugging Face folder."
        )
    deviations, roundings = [0.0], [0.0]
    for name, path in tensor_files(folder).items():
        with safe_open(path, framework="pt") as tensors:
            written = tensors.get_tensor(name)
        exact = torch.from_numpy(as_in_transformers(file, names[name]))
        if written.shape != exact.shape:
            raise _difference(
                file, name, f"has the shape {list(written.shape)} instead of {list(exact.shape)}"
            )
        deviation = _largest(written.float() - exact.to(written.dtype).float())
        if not deviation <= _TOLERANCE * _largest(exact):
            raise _difference(file, name, f"differs by up to {deviation:.3g}")
        deviations.append(deviation)
        roundings.append(_largest(written.float() - exact))
    return TensorCheck(len(names), max(deviations), max(roundings))


def _names_in_file(folder: Path, file: GGUFFile) -> dict[str, str]:
    """Return the file's name of each tensor of the model, from gguf's own table of names."""
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    arch = next((key for key, name in MODEL_ARCH_NAMES.items() if name == file.architecture), None)
    if arch is None:
        raise ConfigError(
            f"gguf has no table of tensor names for {file.path}'s architecture"
            f" {file.architecture!r}, so the import cannot be checked: update gguf."
        )
    table = get_tensor_name_map(arch, file.number("block_count"))
    names = {
        name: table.get_name(name, try_suffixes=(".weight", ".bias"))
        for name in tensor_files(folder)
    }
    lost = [name for name, stored in names.items() if stored not in file.tensors]
    if lost:
        raise ConfigError(
            f"{file.path} has no tensor to compare with {len(lost)} of the imported model's"
            f" ({', '.join(lost[:3])}), as with mixtures of experts, so the import cannot be"
            " checked: use the model's own Hugging Face folder."
        )
    return {name: str(stored) for name, stored in names.items()}


def _largest(values: torch.Tensor) -> float:
    return values.abs().max().item()


def _difference(file: GGUFFile, name: str, how: str) -> ConfigError:
    return ConfigError(
        f"The imported tensor {name} {how} from what gguf reads in {file.path}, so transformers"
        f" misreads this {file.architecture!r} file: use the model's own Hugging Face folder."
    )
