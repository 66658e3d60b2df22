"""Warm start: a model that has seen an environment's expert, as a Hugging Face folder."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copy2, copytree
from typing import Any

import torch
from transformers import PreTrainedModel

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.causal_lm import check_context_length, load_causal_lm
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import existing_model_folder, load_tokenizer, save_tokenizer
from rllib_gigpo.prompting import ActionParser, PromptRenderer, PromptTemplate
from rllib_gigpo.warm_start.cache import cache_key, cached_folder, default_cache_dir
from rllib_gigpo.warm_start.demonstrations import (
    Demonstration,
    DemonstrationRow,
    make_rows,
    play_demonstrations,
    randomize_labels,
)
from rllib_gigpo.warm_start.fit import FitProgress, fit
from rllib_gigpo.warm_start.settings import WarmStartSettings

REPORT_FILE = "warm_start.json"
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack")
_WRITTEN_ANEW = ("config.json", "generation_config.json", REPORT_FILE)


@dataclass(frozen=True, slots=True)
class WarmStartReport:
    """What a warm start did; lies in the model's folder as ``warm_start.json``.

    Attributes:
        key: hash of everything that went in.
        num_demonstrations: number of demonstrated turns.
        num_parameters: of the model.
        mean_prompt_tokens: mean length of the prompts, in tokens.
        mean_response_tokens: mean length of the responses with their end-of-turn token, in tokens.
        losses: mean cross-entropy per response token in each epoch, in nats.
        token_accuracies: share of response tokens that were the most likely one, in each epoch.
        demonstration_s: wall time of playing, in seconds.
        fit_s: wall time of fitting, in seconds.
        settings: the settings, as JSON has them.
    """

    key: str
    num_demonstrations: int
    num_parameters: int
    mean_prompt_tokens: float
    mean_response_tokens: float
    losses: list[float]
    token_accuracies: list[float]
    demonstration_s: float
    fit_s: float
    settings: dict[str, Any]


def warm_start(
    settings: WarmStartSettings,
    *,
    output: str | Path | None = None,
    cache_dir: str | Path | None = None,
    progress: Callable[[FitProgress], None] | None = None,
) -> Path:
    """Returns the folder of a model fitted to an environment's expert, made at the first call only.

    Args:
        settings: everything that decides about the result.
        output: folder to copy the result to; None leaves it in the cache.
        cache_dir: folder of the cache; None is ``default_cache_dir()``.
        progress: called after each epoch of fitting; not at all if the result is in the cache.

    Returns:
        A Hugging Face folder (config, safetensors, tokenizer) that ``transformers`` and vLLM open,
        with the report beside them: ``output`` if given.

    Raises:
        ConfigError: if settings contradict each other or name what does not exist, or ``output``
            holds something else.
        EnvContractError: if the environment names no expert actions, or has other than text spaces.
    """
    _check_settings(settings)
    key = cache_key(settings)
    if output is not None:
        _check_output(Path(output), key)
    root = default_cache_dir() if cache_dir is None else Path(cache_dir).expanduser()
    folder = cached_folder(root / key, lambda path: _build(settings, key, path, progress))
    if output is None:
        return folder
    return cached_folder(Path(output), lambda path: _copy(folder, path))


def read_report(folder: str | Path) -> WarmStartReport:
    """Reads the report of a warm start from its folder.

    Args:
        folder: what ``warm_start`` returned.

    Raises:
        ConfigError: if the folder holds no report.
    """
    path = Path(folder) / REPORT_FILE
    if not path.is_file():
        raise ConfigError(f"{str(folder)!r} is no warm start: it holds no {REPORT_FILE}.")
    return WarmStartReport(**json.loads(path.read_text(encoding="utf-8")))


def _build(
    settings: WarmStartSettings,
    key: str,
    folder: Path,
    progress: Callable[[FitProgress], None] | None,
) -> None:
    start = time.perf_counter()
    demonstrations = play_demonstrations(settings)
    demonstration_s = time.perf_counter() - start
    demonstrations = randomize_labels(
        demonstrations, probability=settings.random_label_probability, seed=settings.seed
    )
    model, tokenizer, rows = _prepare(settings, demonstrations)
    start = time.perf_counter()
    history = fit(
        model.to(_device()),
        rows,
        settings.fit,
        lr=settings.lr,
        batch_tokens=settings.batch_tokens,
        seed=settings.seed,
        progress=progress,
    )
    report = WarmStartReport(
        key=key,
        num_demonstrations=len(rows),
        num_parameters=model.num_parameters(),
        mean_prompt_tokens=sum(len(row.prompt_ids) for row in rows) / len(rows),
        mean_response_tokens=sum(len(row.response_ids) for row in rows) / len(rows),
        losses=[state.loss for state in history],
        token_accuracies=[state.token_accuracy for state in history],
        demonstration_s=round(demonstration_s, 2),
        fit_s=round(time.perf_counter() - start, 2),
        settings=asdict(settings),
    )
    _save(model, tokenizer, report, folder)


def _prepare(
    settings: WarmStartSettings, demonstrations: list[Demonstration]
) -> tuple[PreTrainedModel, Any, list[DemonstrationRow]]:
    """Returns model and tokenizer to start from, and the demonstrations in that tokenizer's ids."""
    template = PromptTemplate.from_name_or_source(settings.prompting.template)
    parser = _make_parser(settings)
    if settings.base_model is None:
        texts = _texts_to_tokenize(settings, template, parser, demonstrations)
        tokenizer = build_tokenizer(texts, settings.tiny_model.vocab_size)
        model = _build_tiny_model(settings, tokenizer)
    else:
        tokenizer = load_tokenizer(settings.base_model)
        model = load_causal_lm(settings.base_model)
    rows = make_rows(
        demonstrations, _make_renderer(settings, template, tokenizer), parser, tokenizer
    )
    check_context_length(
        model.config,
        max_prompt_tokens=settings.prompting.max_prompt_tokens,
        max_response_tokens=max(len(row.response_ids) for row in rows),
    )
    return model, tokenizer, rows


def _build_tiny_model(settings: WarmStartSettings, tokenizer: Any) -> PreTrainedModel:
    size = settings.tiny_model
    return build_model(
        tokenizer,
        hidden_size=size.hidden_size,
        num_layers=size.num_layers,
        num_heads=size.num_heads,
        max_position_embeddings=size.max_position_embeddings,
        seed=settings.seed,
    ).train()


def _texts_to_tokenize(
    settings: WarmStartSettings,
    template: PromptTemplate,
    parser: ActionParser,
    demonstrations: list[Demonstration],
) -> list[str]:
    tags = {"action_tag": settings.prompting.action_tag, "think_tag": settings.prompting.think_tag}
    prompts = [template.render(turn.inputs, **tags) for turn in demonstrations]
    return prompts + [parser.format(turn.action) for turn in demonstrations]


def _make_parser(settings: WarmStartSettings) -> ActionParser:
    prompting = settings.prompting
    return ActionParser(
        action_tag=prompting.action_tag,
        think_tag=prompting.think_tag,
        require_think=prompting.require_think,
    )


def _make_renderer(
    settings: WarmStartSettings, template: PromptTemplate, tokenizer: Any
) -> PromptRenderer:
    prompting = settings.prompting
    return PromptRenderer(
        tokenizer,
        template,
        max_prompt_tokens=prompting.max_prompt_tokens,
        system_prompt=prompting.system_prompt,
        chat_template_kwargs=prompting.chat_template_kwargs,
        action_tag=prompting.action_tag,
        think_tag=prompting.think_tag,
    )


def _save(model: PreTrainedModel, tokenizer: Any, report: WarmStartReport, folder: Path) -> None:
    model.save_pretrained(str(folder))
    base_model = report.settings["base_model"]
    if base_model is None:
        save_tokenizer(tokenizer, folder)
    else:
        _copy_tokenizer(existing_model_folder(base_model), folder)
    text = json.dumps(asdict(report), indent=2)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")


def _copy_tokenizer(source: Path, folder: Path) -> None:
    """Copies the tokenizer's files (and licences) byte for byte: saving may rewrite them."""
    for path in source.iterdir():
        is_weights = path.suffix in _WEIGHT_SUFFIXES or path.name.endswith(".index.json")
        if path.is_file() and not is_weights and path.name not in _WRITTEN_ANEW:
            copy2(path, folder / path.name)


def _copy(source: Path, folder: Path) -> None:
    copytree(source, folder, dirs_exist_ok=True)


def _check_settings(settings: WarmStartSettings) -> None:
    if not settings.seeds:
        raise ConfigError(
            "seeds is empty: give the training tasks to demonstrate, like range(128)."
        )
    probabilities = {
        "random_action_probability": settings.demonstrations.random_action_probability,
        "random_label_probability": settings.random_label_probability,
    }
    for name, probability in probabilities.items():
        if not 0.0 <= probability < 1.0:
            raise ConfigError(f"{name}={probability} must be at least 0 and less than 1.")


def _check_output(output: Path, key: str) -> None:
    is_same = (output / REPORT_FILE).is_file() and read_report(output).key == key
    if output.exists() and not is_same:
        raise ConfigError(
            f"The output folder {str(output)!r} exists and holds something else than this warm "
            "start. Delete it or name another one."
        )


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
