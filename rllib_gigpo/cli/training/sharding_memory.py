"""The memory of a Learner for every way to share a model, and what to change if it does not fit.

Learners with copies hold everything. Sharded Learners hold their share of what is kept. Whole is
only what a pass gathers: the outermost group (embedding, norm, head) and two layers, of which one
travels while the other computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rllib_gigpo.cli.training.memory_estimate import kept_memory, passes, precision_on
from rllib_gigpo.config.sections import Settings
from rllib_gigpo.models.causal_lm import layers_of
from rllib_gigpo.models.hardware.micro_batch_size import LARGEST, resolve_micro_batch_tokens
from rllib_gigpo.models.hardware.pass_memory import BYTES, ModelShape

RESERVED = 0.05  # of a GPU, for CUDA, NCCL and the allocator's gaps
_GPU = torch.device("cuda")
_NUM_GPUS = (1, 2, 4, 8)
# Heads of the table.
_SHORT = {
    "gradient buckets of DDP": "buckets",
    "reference model": "reference",
    "critic model": "critic",
    "process reward model": "rewards",
    "logits of a chunk": "logits",
    "gathered layers": "gathered",
    "gradients of a layer": "reduced",
}
_REDUCED = 4  # bytes of a gradient while it is summed over the Learners, in float32


@dataclass(frozen=True, slots=True)
class Groups:
    """The parameters that sharded Learners gather together.

    Attributes:
        outermost: Number of those outside of all layers.
        layer: Number in the largest layer.
    """

    outermost: int
    layer: int

    @classmethod
    def of(cls, model: torch.nn.Module) -> Groups:
        """Count the parameters of a Hugging Face model, which may be on the meta device."""
        sizes = [sum(one.numel() for one in layer.parameters()) for layer in layers_of(model)]
        whole = sum(one.numel() for one in model.parameters())
        return cls(whole - sum(sizes), max(sizes, default=0))


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to share a model.

    Attributes:
        num_learners: Number of Learners, each with a GPU.
        sharding: "ddp" or "fsdp2".
        cpu_offload: Whether shards, gradients and moments are in the host's memory.
    """

    num_learners: int
    sharding: str = "ddp"
    cpu_offload: bool = False

    def __str__(self) -> str:
        """Return the settings that choose it."""
        if self.num_learners == 1:
            return "num_learners=0"
        name = repr(self.sharding)
        value = f"{{'name': {name}, 'cpu_offload': True}}" if self.cpu_offload else name
        return f"num_learners={self.num_learners}, sharding={value}"

    @classmethod
    def all(cls, *more: int) -> Iterator[Layout]:
        """Yield the ways to use 1, 2, 4, 8 or some other number of GPUs."""
        for number in sorted({*_NUM_GPUS, *more}):
            yield cls(number)
            if number > 1:
                yield cls(number, "fsdp2")
                yield cls(number, "fsdp2", cpu_offload=True)

    @classmethod
    def of(cls, settings: Settings, num_learners: int) -> Layout:
        """Return that of a config."""
        kind: Any = settings.learners.sharding
        offload = getattr(kind, "cpu_offload", False)
        return cls(max(1, num_learners), kind.name if num_learners > 1 else "ddp", offload)


@dataclass(frozen=True, slots=True)
class LearnerMemory:
    """The bytes of each part, on a Learner's GPU and in its share of the host's memory."""

    gpu: dict[str, int]
    host: dict[str, int]

    @property
    def total(self) -> int:
        """Bytes on the GPU."""
        return sum(self.gpu.values())

    def fits(self, gpu_bytes: float) -> bool:
        """Return whether a GPU holds them."""
        return self.total <= (1 - RESERVED) * gpu_bytes


def memory_of(
    layout: Layout, shape: ModelShape, groups: Groups, settings: Settings
) -> LearnerMemory:
    """Return the memory of one Learner of a layout.

    Args:
        layout: How the model is shared.
        shape: Shape of the model.
        groups: What is gathered together.
        settings: Settings of the run.
    """
    pass_memory = passes(shape, settings)
    tokens = resolve_micro_batch_tokens(
        settings.optimizer.micro_batch_tokens, pass_memory, device=_GPU
    )
    of_pass = pass_memory.parts(tokens)
    if layout.sharding == "ddp":
        copy = kept_memory(shape, settings, num_learners=layout.num_learners)
        return LearnerMemory({**copy, **of_pass}, {})
    kept = kept_memory(shape, settings)
    shards = {name: size // layout.num_learners for name, size in kept.items()}
    product = BYTES[precision_on(settings, _GPU).autocast or settings.model.dtype]
    whole = {
        "gathered layers": product * (groups.outermost + 2 * groups.layer),
        "gradients of a layer": (product + _REDUCED) * max(groups.outermost, groups.layer),
    }
    on_gpu, on_host = ({}, shards) if layout.cpu_offload else (shards, {})
    return LearnerMemory({**on_gpu, **whole, **of_pass}, on_host)


def table(shape: ModelShape, groups: Groups, settings: Settings, gpu_bytes: float) -> list[str]:
    """Format the memory of every layout: GiB by part, the total, and whether it fits."""
    memories = [(one, memory_of(one, shape, groups, settings)) for one in Layout.all()]
    parts = [
        part
        for part in dict.fromkeys(name for _, memory in memories for name in memory.gpu)
        if any(memory.gpu.get(part, 0) for _, memory in memories)
    ]
    heads = [_SHORT.get(part, part) for part in parts]
    rows = [["a Learner's GPU, in GiB", *heads, "total", "host", ""]]
    for layout, memory in memories:
        numbers = [memory.gpu.get(part, 0) for part in parts]
        numbers += [memory.total, sum(memory.host.values())]
        fits = "fits" if memory.fits(gpu_bytes) else "does not fit"
        rows.append([_label(layout), *(f"{number / 2**30:.1f}" for number in numbers), fits])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.rjust, row, widths)).rstrip() for row in rows]


def _label(layout: Layout) -> str:
    if layout.num_learners == 1:
        return "1 GPU"
    offload = ", offload" if layout.cpu_offload else ""
    return f"{layout.num_learners} GPUs, {layout.sharding}{offload}"


def advice(
    layout: Layout, shape: ModelShape, groups: Groups, settings: Settings, gpu_bytes: float
) -> str | None:
    """Return what to change if a layout does not fit; None if it fits.

    The cheapest change comes first: a lighter pass, then more GPUs, then the host's memory.
    """
    found = memory_of(layout, shape, groups, settings)
    if found.fits(gpu_bytes):
        return None
    size = f"A Learner needs {found.total / 2**30:.1f} GiB of {gpu_bytes / 2**30:.1f} GiB"
    for change, lighter in _lighter(settings):
        if memory_of(layout, shape, groups, lighter).fits(gpu_bytes):
            return f"{size}; set {change}."
    variants = [("", settings), *((f"; also set {one}", it) for one, it in _lighter(settings))]
    fitting = [
        (one, more)
        for one in Layout.all(layout.num_learners)
        for more, changed in variants
        if one.num_learners >= layout.num_learners
        and memory_of(one, shape, groups, changed).fits(gpu_bytes)
    ]
    if fitting:
        best, more = min(fitting, key=lambda it: (it[0].cpu_offload, it[0].num_learners))
        return f"{size}; set learners({best}, num_gpus_per_learner=1){more}."
    return (
        f"{size}, and no sharding over up to {max(*_NUM_GPUS, layout.num_learners)} GPUs holds it:"
        " use a smaller model, shorter prompts, llm(lora={'rank': 16}), or larger GPUs."
    )


def _lighter(settings: Settings) -> Iterator[tuple[str, Settings]]:
    """Yield settings whose passes take less memory, each with its name."""
    lighter = settings
    names: Sequence[str] = ()
    if not settings.model.gradient_checkpointing:
        model = settings.model.model_copy(update={"gradient_checkpointing": True})
        lighter = lighter.model_copy(update={"model": model})
        names = ("llm(gradient_checkpointing=True)",)
        yield names[0], lighter
    longest = settings.model.max_prompt_tokens + settings.model.max_response_tokens
    tokens = settings.optimizer.micro_batch_tokens
    limit = LARGEST if tokens == "auto" else int(tokens)
    while limit // 2 >= longest:
        limit //= 2
        optimizer = settings.optimizer.model_copy(update={"micro_batch_tokens": limit})
        lighter = lighter.model_copy(update={"optimizer": optimizer})
        yield " and ".join([*names, f"training(micro_batch_tokens={limit})"]), lighter
