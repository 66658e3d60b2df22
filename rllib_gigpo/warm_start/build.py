"""Builds a warm start, without a cache: plays the expert, fits a model and saves it."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from shutil import copy2
from typing import Any

import torch
from transformers import PreTrainedModel

from rllib_gigpo.media.image_marks import without_marks
from rllib_gigpo.media.image_store import ImageStore
from rllib_gigpo.models.causal_lm import load_causal_lm, progress_bars_if_slow
from rllib_gigpo.models.context import check_context_length, known_warnings_dropped, reads_images
from rllib_gigpo.models.hardware.precision import AUTO, prefers_bfloat16
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import existing_model_folder, load_tokenizer, save_tokenizer
from rllib_gigpo.models.trunk import Trunk
from rllib_gigpo.models.vision.families import vision_family
from rllib_gigpo.models.vision.tiny_vision_model import (
    add_image_tokens,
    build_vision_model,
    save_processor,
)
from rllib_gigpo.models.vision.vision_family import VisionFamily
from rllib_gigpo.models.vision.vision_trunk import VisionTrunk
from rllib_gigpo.prompting import (
    ActionParser,
    PromptRenderer,
    PromptTemplate,
    ToolUse,
    parser_of,
    renderer_of,
)
from rllib_gigpo.prompting.contents.image_contents import ImageContents
from rllib_gigpo.prompting.contents.text_contents import Contents
from rllib_gigpo.prompting.tool_calls import tool_setting
from rllib_gigpo.prompting.tool_calls.hermes_format import HermesFormat
from rllib_gigpo.prompting.tool_calls.tool_use import Schema, find_tool_use, tools_of
from rllib_gigpo.warm_start.batch_gradient import Accumulated, BatchGradient, WholeBatch
from rllib_gigpo.warm_start.demonstrations import (
    Demonstration,
    DemonstrationRow,
    make_epochs,
    play_demonstrations,
)
from rllib_gigpo.warm_start.fit import fit
from rllib_gigpo.warm_start.warm_start_progress import Progress
from rllib_gigpo.warm_start.warm_start_report import REPORT_FILE, WarmStartReport, write_report
from rllib_gigpo.warm_start.warm_start_settings import WarmStartSettings

_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack")
_WRITTEN_ANEW = ("config.json", "generation_config.json", REPORT_FILE)


def build(
    settings: WarmStartSettings,
    folder: Path,
    *,
    key: str,
    progress: Progress | None = None,
) -> None:
    """Play the expert, fit a model to it and fill ``folder`` with model, tokenizer and report.

    Args:
        settings: Everything that determines the result.
        folder: An empty folder.
        key: Hash of all inputs, for the report.
        progress: Called before and while the expert plays, and after each epoch of the fit.

    Raises:
        ConfigError: The base model cannot be opened, or its context is too short.
        EnvContractError: The environment cannot be demonstrated.
    """
    start = time.perf_counter()
    images = ImageStore() if _allows_images(settings) else None
    demonstrations, tools = _play(settings, progress, images)
    demonstration_s = time.perf_counter() - start
    model, tokenizer = _open(settings, demonstrations, images, tools, folder)
    vision = vision_family(settings.base_model or folder) if images else None
    contents = _contents(settings, vision, images)
    epochs = _epochs(settings, demonstrations, tokenizer, contents, tools)
    _check_context(settings, model, epochs)
    model = model.to(_device())
    autocast = _autocast_dtype(settings, model.device)
    gradient = _gradient(settings, model, autocast, vision, epochs)
    start = time.perf_counter()
    history = fit(
        model,
        epochs,
        settings.fit,
        lr=settings.lr,
        batch_tokens=settings.batch_tokens,
        seed=settings.seed,
        gradient=gradient,
        progress=progress,
    )
    rows = [row for epoch in epochs for row in epoch]
    report = WarmStartReport(
        key=key,
        num_demonstrations=len(demonstrations),
        num_parameters=model.num_parameters(),
        mean_prompt_tokens=sum(len(row.prompt_ids) for row in rows) / len(rows),
        mean_response_tokens=sum(len(row.response_ids) for row in rows) / len(rows),
        losses=[state.loss for state in history],
        token_accuracies=[state.token_accuracy for state in history],
        demonstration_s=round(demonstration_s, 2),
        fit_s=round(time.perf_counter() - start, 2),
        settings=asdict(settings),
        autocast_dtype=autocast,
        micro_batch_tokens=getattr(gradient, "micro_batch_tokens", None),
    )
    _save(model, tokenizer, report, folder)


def _play(
    settings: WarmStartSettings, progress: Progress | None, images: ImageStore | None
) -> tuple[list[Demonstration], list[Schema]]:
    """Play the expert; return its turns and the environment's tools."""
    tools = list[Schema]()
    demonstrations = play_demonstrations(
        replace(settings, seeds=settings.played_seeds),
        progress,
        images,
        on_env=lambda env: tools.extend(tools_of(env)),
    )
    return demonstrations, tools


def _autocast_dtype(settings: WarmStartSettings, device: torch.device) -> str | None:
    """Return the type of the fit's matrix products; None for float32."""
    chosen = settings.autocast_dtype
    if chosen == AUTO:
        return "bfloat16" if prefers_bfloat16(device) else None
    return None if chosen == "float32" else chosen


def _gradient(
    settings: WarmStartSettings,
    model: PreTrainedModel,
    autocast_dtype: str | None,
    vision: VisionFamily | None,
    epochs: list[list[DemonstrationRow]],
) -> BatchGradient:
    weight = settings.fit.prompt_loss_weight
    is_chat = any(row.chat is not None for epoch in epochs for row in epoch)
    is_tiny = settings.base_model is None and vision is None
    if is_tiny and autocast_dtype is None and not is_chat:  # whose prefixes repeat
        return WholeBatch(model, prompt_loss_weight=weight)
    return Accumulated(
        model,
        prompt_loss_weight=weight,
        autocast_dtype=autocast_dtype,
        make_trunk=Trunk if vision is None else partial(VisionTrunk, family=vision),
    )


def _allows_images(settings: WarmStartSettings) -> bool:
    """Return whether observations may show images: to a new model, or to one that reads them."""
    return settings.base_model is None or reads_images(settings.base_model)


def _open(
    settings: WarmStartSettings,
    demonstrations: list[Demonstration],
    images: ImageStore | None,
    tools: Sequence[Schema],
    folder: Path,
) -> tuple[PreTrainedModel, Any]:
    """Return the model to fit and its tokenizer; write the files of a new image processor."""
    if settings.base_model is not None:
        return load_causal_lm(settings.base_model), load_tokenizer(settings.base_model)
    tokenizer = build_tokenizer(
        _texts_to_tokenize(settings, demonstrations, tools), settings.tiny_model.vocab_size
    )
    size = settings.tiny_model
    shape: dict[str, Any] = {
        "hidden_size": size.hidden_size,
        "num_layers": size.num_layers,
        "num_heads": size.num_heads,
        "max_position_embeddings": size.max_position_embeddings,
        "seed": settings.seed,
    }
    if not images:
        return build_model(tokenizer, **shape).train(), tokenizer
    add_image_tokens(tokenizer)
    sides = {"image_size": size.image_size, "patch_size": size.patch_size}
    shape |= {name: side for name, side in sides.items() if side is not None}
    model = build_vision_model(tokenizer, **shape).train()
    save_tokenizer(tokenizer, folder)
    save_processor(folder, model.config)
    return model, tokenizer


def _contents(
    settings: WarmStartSettings, vision: VisionFamily | None, images: ImageStore | None
) -> Contents:
    if vision is None or images is None:
        return Contents()
    return ImageContents(vision, images, max_images=settings.prompting.max_prompt_images)


def _epochs(
    settings: WarmStartSettings,
    demonstrations: list[Demonstration],
    tokenizer: Any,
    contents: Contents,
    tools: Sequence[Schema],
) -> list[list[DemonstrationRow]]:
    """Return the rows of each epoch as token ids."""
    prompting = settings.prompting
    use = find_tool_use(
        tokenizer,
        tool_setting(prompting.tools),
        tools,
        chat_template_kwargs=prompting.chat_template_kwargs,
    )
    return make_epochs(
        demonstrations,
        _make_renderer(settings, tokenizer, contents, use),
        _make_parser(settings, use),
        tokenizer,
        num_epochs=settings.fit.num_epochs,
        random_label_probability=settings.random_label_probability,
        seed=settings.seed,
    )


def _check_context(
    settings: WarmStartSettings, model: PreTrainedModel, epochs: list[list[DemonstrationRow]]
) -> None:
    check_context_length(
        model.config.to_dict(),
        max_prompt_tokens=settings.prompting.max_prompt_tokens,
        max_response_tokens=max(
            (len(row.response_ids) for epoch in epochs for row in epoch), default=0
        ),
    )


def _texts_to_tokenize(
    settings: WarmStartSettings, demonstrations: list[Demonstration], tools: Sequence[Schema]
) -> list[str]:
    template = PromptTemplate.from_name_or_source(settings.prompting.template)
    chosen = tool_setting(settings.prompting.tools)
    use = None
    if tools and chosen is not None:
        # A new model's chat template writes calls in Hermes' format.
        use = ToolUse(HermesFormat() if isinstance(chosen, str) else chosen, tools, True)
        template = use.template(template)
    parser = _make_parser(settings, use)
    tags = {"action_tag": settings.prompting.action_tag, "think_tag": settings.prompting.think_tag}
    prompts = [without_marks(template.render(turn.inputs, **tags)) for turn in demonstrations]
    return prompts + [
        parser.format(turn.action, sub_goal=turn.inputs.sub_goal) for turn in demonstrations
    ]


def _make_parser(settings: WarmStartSettings, tools: ToolUse | None) -> ActionParser:
    prompting = settings.prompting
    return parser_of(
        sub_goals=prompting.sub_goals,
        action_tag=prompting.action_tag,
        think_tag=prompting.think_tag,
        require_think=prompting.require_think,
        tools=tools,
    )


def _make_renderer(
    settings: WarmStartSettings, tokenizer: Any, contents: Contents, tools: ToolUse | None
) -> PromptRenderer:
    prompting = settings.prompting
    return renderer_of(
        prompting.style,
        tokenizer,
        PromptTemplate.from_name_or_source(prompting.template),
        tools=tools,
        max_prompt_tokens=prompting.max_prompt_tokens,
        system_prompt=prompting.system_prompt,
        chat_template_kwargs=prompting.chat_template_kwargs,
        action_tag=prompting.action_tag,
        think_tag=prompting.think_tag,
        contents=contents,
    )


def _save(model: PreTrainedModel, tokenizer: Any, report: WarmStartReport, folder: Path) -> None:
    with progress_bars_if_slow(model.get_memory_footprint()), known_warnings_dropped():
        model.save_pretrained(str(folder))
    base_model = report.settings["base_model"]
    if base_model is None:
        save_tokenizer(tokenizer, folder)
    else:
        _copy_tokenizer(existing_model_folder(base_model), folder)
    write_report(report, folder)


def _copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy the tokenizer's files (and licences) byte for byte; saving them could change them."""
    for path in source.iterdir():
        is_weights = path.suffix in _WEIGHT_SUFFIXES or path.name.endswith(".index.json")
        if path.is_file() and not is_weights and path.name not in _WRITTEN_ANEW:
            copy2(path, folder / path.name)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
