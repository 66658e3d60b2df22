"""Facts about a Hugging Face model folder that an engine needs before it loads the model."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from rllib_gigpo.errors import ConfigError, EngineError
from rllib_gigpo.models.causal_lm import load_config, meta_causal_lm
from rllib_gigpo.models.checkpoint_names import CheckpointNames
from rllib_gigpo.models.context import context_length, reads_images
from rllib_gigpo.models.tokenizer import open_tokenizer
from rllib_gigpo.models.weight_files import tensor_files, tensor_shapes
from rllib_gigpo.prompting.chat_format import find_turn_end

# The usual names.
_HEAD, _EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts about one model folder."""

    path: str
    config: Any  # transformers' configuration of the text model
    stop_token_ids: list[int]  # ascending; each ends a response
    embedding: str  # the input embedding's name in the checkpoint
    tied_head: str | None  # the output head's name, if it is the input embedding
    tensor_shapes: dict[str, tuple[int, ...]]  # of the checkpoint; empty if not in safetensors
    reads_images: bool = False
    is_stateful: bool = False  # whether layers keep a state that is not one of single tokens

    def check_context(self, max_model_len: int) -> None:
        """Check that ``max_model_len`` fits the model's context, if the config states it.

        Raises:
            EngineError: ``max_model_len`` is longer than the model's context.
        """
        longest = context_length(self.config.to_dict())
        if longest is not None and max_model_len > longest:
            raise EngineError(
                f"max_model_len={max_model_len} exceeds the model's context of {longest} tokens: "
                "lower llm(max_prompt_tokens=..., max_response_tokens=...)."
            )

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Read the checkpoint's tensors one by one."""
        for name, file in tensor_files(Path(self.path)).items():
            if name in self.tensor_shapes:
                with safe_open(file, framework="pt") as tensors:
                    yield name, tensors.get_tensor(name)


def read_model_facts(path: str) -> ModelFacts:
    """Read the facts without loading weights.

    Raises:
        EngineError: The folder holds no model that transformers knows, or the model has no token
            that ends a response.
    """
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise EngineError(
            f"{path!r} is not a model folder (it has no config.json): give the path of a local "
            "Hugging Face model folder in llm(model_path=...)."
        )
    try:
        config = load_config(folder)
    except ConfigError as error:
        raise EngineError(str(error)) from error
    return ModelFacts(
        path=path,
        config=config.get_text_config(),
        stop_token_ids=_stop_token_ids(folder, config.get_text_config()),
        reads_images=reads_images(folder),
        **_tensors(folder, config),
    )


def _stop_token_ids(folder: Path, config: Any) -> list[int]:
    """Collect the end tokens from four places, which may disagree."""
    found = {
        *_ends_in(folder / "generation_config.json"),
        *_as_list(getattr(config, "eos_token_id", None), "config.json"),
        *_tokenizer_ends(folder),
    }
    if not found:
        raise EngineError(
            f"The model in {str(folder)!r} has no end-of-sequence token, so no response would end: "
            "set eos_token_id in its generation_config.json."
        )
    return sorted(found)


def _tokenizer_ends(folder: Path) -> list[int]:
    """Return the eos token, and the tokens that close an answer in the chat template."""
    names = ("tokenizer_config.json", "tokenizer.json", "tokenizer.model")
    if not any((folder / name).is_file() for name in names):
        return []
    tokenizer = open_tokenizer(folder)
    return [*_as_list(tokenizer.eos_token_id, "the tokenizer"), *find_turn_end(tokenizer).token_ids]


def _ends_in(file: Path) -> list[int]:
    if not file.is_file():
        return []
    try:
        return _as_list(json.loads(file.read_text(encoding="utf-8")).get("eos_token_id"), str(file))
    except (OSError, ValueError, AttributeError) as error:
        raise EngineError(
            f"{file} cannot be read as JSON ({error}): copy it again, or delete it if the model"
            " came without."
        ) from error


def _as_list(value: Any, place: str) -> list[int]:
    """Return token ids; None and -1 stand for none."""
    ids = value if isinstance(value, list) else [value]
    wrong = [one for one in ids if one is not None and type(one) is not int]
    if wrong:
        raise EngineError(
            f"eos_token_id in {place} is {value!r}; it must be a token id or a list of them."
        )
    return [one for one in ids if one is not None and one >= 0]


def _tensors(folder: Path, config: Any) -> dict[str, Any]:
    """Return the fields about the checkpoint's tensors; those that the model lacks do not count."""
    shapes = tensor_shapes(folder)
    is_tied = bool(config.get_text_config().tie_word_embeddings)
    try:
        model = meta_causal_lm(config)
        names = CheckpointNames(model)
        head = names.weight_of(model.get_output_embeddings())
        embedding = names.weight_of(model.get_input_embeddings())
    except Exception:  # transformers has no causal LM for it; loading it says why
        return {
            "embedding": _EMBEDDING,
            "tied_head": _HEAD if is_tied else None,
            "tensor_shapes": shapes,
        }
    known = {name: shape for name, shape in shapes.items() if name in names.shapes}
    return {
        "embedding": embedding,
        "tied_head": head if is_tied else None,
        "tensor_shapes": known or shapes,
        "is_stateful": bool(model._is_stateful),
    }
