"""Makes a Hugging Face folder of a GGUF file, and checks it before it appears."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from rllib_gigpo.checkpoints.written_aside import temporary_folder, written_aside
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.causal_lm import (
    load_causal_lm,
    meta_causal_lm,
    open_causal_lm,
    progress_bars_if_slow,
    resolve_dtype,
)
from rllib_gigpo.models.gguf.english_text import ENGLISH, WORST_BITS_PER_BYTE, bits_per_byte
from rllib_gigpo.models.gguf.gguf_file import GGUFFile, check_whole, open_gguf
from rllib_gigpo.models.gguf.import_report import (
    ImportReport,
    read_import_report,
    write_import_report,
)
from rllib_gigpo.models.gguf.imported_tokenizer import check_has_tokenizer, read_tokenizer
from rllib_gigpo.models.gguf.model_note import write_note
from rllib_gigpo.models.gguf.tensor_check import check_tensors
from rllib_gigpo.models.tokenizer import load_tokenizer, save_tokenizer
from rllib_gigpo.prompting.chat_format import find_turn_end

# Raise it whenever a change to this package changes the result of the same import.
_RECIPE_VERSION = 1
_PROBES = [ENGLISH, "go\n\n  12 steps, it's 3.5\t<tag> Ünïcode", "<|im_start|>user\n7<|im_end|>\n"]
_LIBRARIES = ("gguf", "tokenizers", "transformers")


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How a GGUF file becomes a model folder."""

    # Dequantised weights are a product of two numbers and a sum, which neither bfloat16 (8 bits)
    # nor float16 (11 bits) holds, so float32 is the smallest type that changes nothing.
    dtype: str = "float32"
    chat_template: str | None = None  # Jinja source; None takes the file's
    licence_files: Sequence[Path] = ()  # copied into the folder


def import_gguf(source: Path, output: Path, settings: ImportSettings) -> ImportReport:
    """Write a GGUF file's model as a Hugging Face folder that appears complete or not at all.

    Args:
        source: The GGUF file.
        output: The folder to make. If it holds the same import, nothing happens.
        settings: How to import it.

    Returns:
        What the checks found.

    Raises:
        ConfigError: The file cannot be imported, the result differs from it, or ``output`` holds
            something else.
        MissingExtraError: gguf is not installed.
    """
    file = open_gguf(source)
    _check_architecture(file)
    check_whole(file)
    check_has_tokenizer(file, settings.chat_template)
    sha256 = _sha256(source)
    key = _key(sha256, settings)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        return _same_import(output, key)
    with written_aside(output) as folder, temporary_folder("gguf") as place:
        (place / source.name).symlink_to(source.resolve())  # alone: no other file there counts
        with _said_of(source, folder, place):
            return _build(folder, place, file, settings, key=key, sha256=sha256)


def _build(
    folder: Path, place: Path, file: GGUFFile, settings: ImportSettings, *, key: str, sha256: str
) -> ImportReport:
    dtype = resolve_dtype(settings.dtype)
    tokenizer, warnings = read_tokenizer(place, file, settings.chat_template)
    save_tokenizer(tokenizer, folder)
    _write_model(folder, place, file, tokenizer=tokenizer, dtype=dtype)
    write_note(folder, file, dtype=settings.dtype, licence_files=settings.licence_files)
    check = check_tensors(folder, file)
    model = load_causal_lm(folder, dtype=dtype)
    reopened = load_tokenizer(folder)
    _check_same_tokens(tokenizer, reopened, folder)
    bits = bits_per_byte(model, reopened)
    if not bits <= WORST_BITS_PER_BYTE:
        warnings.append(
            f"{bits:.2f} bits per byte of English are more than {WORST_BITS_PER_BYTE}, so the model"
            " is untrained, does not know English, or was misread: chat with it before you train it"
        )
    report = ImportReport(
        key=key,
        source=file.path.name,
        sha256=sha256,
        architecture=file.architecture,
        quantisations=file.quantisations(),
        dtype=settings.dtype,
        num_parameters=model.num_parameters(),
        num_bytes=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
        num_tensors=check.num_tensors,
        largest_deviation=check.largest_deviation,
        largest_rounding=check.largest_rounding,
        bits_per_byte=bits,
        warnings=warnings,
    )
    write_import_report(report, folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors makes files that only their owner can read
    return report


def _write_model(
    folder: Path, place: Path, file: GGUFFile, *, tokenizer: Any, dtype: torch.dtype
) -> None:
    """Read the weights with transformers, and save them under a plain configuration.

    transformers refuses to save a model that it read from a GGUF file, as it counts as quantised.
    """
    loaded = open_causal_lm(place, gguf_file=file.path.name, dtype=torch.float32)
    _check_positions(file, loaded.config)
    fields = loaded.config.to_dict()
    for name in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        fields.pop(name, None)
    config = type(loaded.config).from_dict(fields)
    ends = sorted({tokenizer.eos_token_id, *find_turn_end(tokenizer).token_ids} - {None})
    config.bos_token_id, config.pad_token_id = tokenizer.bos_token_id, tokenizer.pad_token_id
    config.eos_token_id = ends[0] if len(ends) == 1 else ends
    model = meta_causal_lm(config)
    weights = {name: tensor.to(dtype) for name, tensor in loaded.state_dict().items()}
    try:
        model.load_state_dict(weights, assign=True)
    except RuntimeError as error:  # of shapes, which transformers passes over for GGUF files
        raise ConfigError(
            f"What transformers reads of the settings in {folder} does not fit its tensors"
            f" ({str(error).splitlines()[1].strip()}): use the model's own Hugging Face folder."
        ) from error
    model.tie_weights()
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
    )
    with progress_bars_if_slow(model.get_memory_footprint()):
        model.save_pretrained(folder)


def _check_same_tokens(tokenizer: Any, reopened: Any, folder: Path) -> None:
    """Check that transformers opens the saved tokenizer as what it was, not as another class."""
    if tokenizer(_PROBES)["input_ids"] != reopened(_PROBES)["input_ids"]:
        raise ConfigError(
            f"The tokenizer of {folder} gives other tokens once it is saved and opened as"
            f" {type(reopened).__name__}: use the model's own Hugging Face folder."
        )


def readable_architectures() -> list[str]:
    """List the architectures of language models that this transformers reads from GGUF files."""
    return sorted(set(GGUF_SUPPORTED_ARCHITECTURES) & set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))


def _check_architecture(file: GGUFFile) -> None:
    known = {_plain(name) for name in _known_architectures()}
    if _plain(file.architecture) not in known:
        raise ConfigError(
            f"{file.path} has the architecture {file.architecture!r}, which transformers"
            f" {version('transformers')} cannot read from GGUF files; it reads"
            f" {', '.join(readable_architectures())}. Use the model's own Hugging Face folder."
        )


def _check_positions(file: GGUFFile, config: Any) -> None:
    """Refuse a model whose scaled positions transformers does not take over, as for Llama."""
    stated = file.text(f"{file.architecture}.rope.scaling.type") or "none"
    found = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if stated != "none" and found == "default":
        raise ConfigError(
            f"{file.path} scales its positions ({stated}), which transformers does not read from"
            f" {file.architecture!r} files: use the model's own Hugging Face folder."
        )


def _known_architectures() -> set[str]:
    try:
        from transformers.integrations.gguf import GGUF_CONFIG_ARCHS
    except ImportError:  # older than transformers 5.19, which has a second reader
        return set(GGUF_SUPPORTED_ARCHITECTURES)
    return {*GGUF_SUPPORTED_ARCHITECTURES, *GGUF_CONFIG_ARCHS}


def _plain(name: str) -> str:
    """Return a name without the dashes and underscores that llama.cpp and transformers mix."""
    return name.replace("-", "").replace("_", "")


def _same_import(output: Path, key: str) -> ImportReport:
    report = read_import_report(output) if output.is_dir() else None
    if report is None or report.key != key:
        raise ConfigError(
            f"The output folder {str(output)!r} exists and holds something other than this import:"
            " delete it, or choose another folder."
        )
    return report


def _key(sha256: str, settings: ImportSettings) -> str:
    inputs = {
        "file": sha256,
        "dtype": settings.dtype,
        "chat_template": settings.chat_template,
        "recipe": _RECIPE_VERSION,
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _said_of(source: Path, *folders: Path) -> Iterator[None]:
    """Let errors name the file that the user gave instead of folders that will be gone."""
    try:
        yield
    except ConfigError as error:
        message = str(error)
        for folder in folders:
            message = message.replace(str(folder), str(source))
        raise ConfigError(message) from error
