"""Opens a GGUF file with the package gguf, and says what is wrong with one that cannot be used."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rllib_gigpo.errors import ConfigError, MissingExtraError

_MAGIC = b"GGUF"
# llama.cpp refuses files without them, but transformers takes its defaults.
_NEEDED = (
    "context_length",
    "block_count",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
)


@dataclass(frozen=True, slots=True)
class GGUFFile:
    """One GGUF file: what its metadata says, and its tensors, which stay on the disk."""

    path: Path
    architecture: str  # llama.cpp's name, such as "llama" or "qwen2"
    tensors: Mapping[
        str, Any
    ]  # gguf's ReaderTensor by llama.cpp's name, such as "blk.0.attn_q.weight"
    fields: Mapping[str, Any]  # gguf's ReaderField by key, such as "general.license"

    def text(self, key: str) -> str | None:
        """Return a text of the metadata, or None if the file does not have it.

        Raises:
            ConfigError: The value is not text.
        """
        value = self._value(key)
        if value is None or isinstance(value, str):
            return value
        raise self._wrong_value(key, value, "a text")

    def number(self, name: str) -> int:
        """Return a number that describes the architecture, such as ``"attention.head_count"``.

        Raises:
            ConfigError: It is missing or not a whole number.
        """
        key = f"{self.architecture}.{name}"
        value = self._value(key)
        if isinstance(value, int):
            return value
        raise self._wrong_value(key, value, "a whole number")

    def has_setting(self, name: str) -> bool:
        """Return whether the metadata has a value of the architecture."""
        return f"{self.architecture}.{name}" in self.fields

    def _value(self, key: str) -> Any:
        try:
            return self.fields[key].contents() if key in self.fields else None
        except UnicodeDecodeError as error:
            raise self._wrong_value(key, str(error), "a text in UTF-8") from error

    def _wrong_value(self, key: str, value: Any, wanted: str) -> ConfigError:
        return ConfigError(
            f"{self.path} is damaged or incomplete: {key} is {str(value)[:80]} and not {wanted}."
            " Copy it again, or convert the model again with llama.cpp's converter."
        )

    def statements(self) -> Iterator[tuple[str, str]]:
        """Yield what the file says about itself in words: name, licence, source and so on."""
        for key in self.fields:
            value = self._value(key) if key.startswith("general.") else None
            if isinstance(value, str):
                yield key.removeprefix("general."), value

    def dequantised(self, name: str) -> np.ndarray:
        """Return a tensor's values in float32, computed by gguf."""
        from gguf import dequantize

        tensor = self.tensors[name]
        values = dequantize(tensor.data, tensor.tensor_type)
        return np.require(values, np.float32, "W")  # torch warns about read-only arrays

    def quantisations(self) -> dict[str, int]:
        """Count the tensors of each type, such as ``{"Q4_1": 210, "F32": 61}``."""
        names = [tensor.tensor_type.name for tensor in self.tensors.values()]
        return {name: names.count(name) for name in sorted(set(names), key=names.count)[::-1]}


def open_gguf(path: Path) -> GGUFFile:
    """Open a GGUF file and check that gguf can read all of it.

    Raises:
        ConfigError: The file does not exist, is not a GGUF file, is damaged, or has a type of
            numbers that gguf cannot dequantise.
        MissingExtraError: gguf, or accelerate, which transformers needs with it, is not installed.
    """
    if not find_spec("gguf") or not find_spec("accelerate"):
        raise MissingExtraError(
            'Importing a GGUF file needs gguf and accelerate: pip install "rllib-gigpo[gguf]"'
        )
    _check_magic(path)
    reader = _reader(path)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    file = GGUFFile(path, architecture="", tensors=tensors, fields=dict(reader.fields))
    architecture = file.text("general.architecture")
    if not architecture:
        raise ConfigError(
            f"{path} does not name its architecture (general.architecture), so it holds no model"
            " that can be imported: take the GGUF file of a whole language model."
        )
    _check_types(file)
    return replace(file, architecture=architecture)


def _check_magic(path: Path) -> None:
    try:
        with path.open("rb") as opened:
            start = opened.read(len(_MAGIC))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): give the path of a GGUF file."
        ) from error
    if start != _MAGIC:
        raise ConfigError(
            f"{path} is not a GGUF file: it begins with {start!r} instead of {_MAGIC!r}. Give the"
            " path of a file that llama.cpp's converter wrote; a small text file may be a pointer"
            " of Git LFS."
        )


def _reader(path: Path) -> Any:
    from gguf import GGUFReader

    try:
        return GGUFReader(path)
    except Exception as error:  # a fence: a torn file raises whatever its reader raises
        if "GGMLQuantizationType" in str(error):
            raise _unknown_type(path, str(error)) from error
        raise ConfigError(
            f"{path} is damaged or was cut off after {path.stat().st_size:,} bytes"
            f" ({type(error).__name__}: {error}): copy it again and compare its size."
        ) from error


def check_whole(file: GGUFFile) -> None:
    """Check that a file holds a whole model and the numbers that describe it.

    Raises:
        ConfigError: It is one of several parts, or lacks a number.
    """
    if "split.count" in file.fields and file.fields["split.count"].contents() != 1:
        raise ConfigError(
            f"{file.path} is one of several parts of a model: join them with llama.cpp's"
            " `llama-gguf-split --merge`, and import the result."
        )
    for name in _NEEDED:
        file.number(name)


def _check_types(file: GGUFFile) -> None:
    from gguf import GGML_QUANT_SIZES, dequantize

    for kind in {tensor.tensor_type for tensor in file.tensors.values()}:
        _, num_bytes = GGML_QUANT_SIZES[kind]
        try:
            dequantize(np.zeros((1, num_bytes), np.uint8), kind)
        except NotImplementedError as error:
            raise _unknown_type(file.path, kind.name) from error


def _unknown_type(path: Path, kind: str) -> ConfigError:
    from importlib.metadata import version

    return ConfigError(
        f"{path} has tensors of a type that gguf {version('gguf')} cannot dequantise ({kind}):"
        " update gguf, or take a file with another quantisation, such as Q8_0 or Q4_K_M."
    )
