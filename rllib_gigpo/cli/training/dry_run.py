"""`rllib train ... --dry-run`: checks before a long run that it fits in memory and works.

It validates the real config and estimates its memory without loading weights. Then it runs one
iteration with the real environment, tokenizer and prompts, and a tiny model of the same
architecture.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rllib_gigpo.cli.ray_session import ray_session
from rllib_gigpo.cli.training.progress_display import plain_line
from rllib_gigpo.cli.training.run_settings import RunSettings
from rllib_gigpo.cli.training.tiny_twin import save_tiny_twin
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.reports.results import summarize

_TINY_RUN = {
    "num_env_runners": 0,
    "num_env_workers": 0,
    "num_learners": 0,
    "sharding": "ddp",
    "weight_sync": "full",
    "group_size": 2,
    "num_groups": 1,
    "num_minibatches": 1,
    "evaluation_interval": None,
    "transcripts": {"interval": 0},
}
# Further changes if Ray has no GPU.
_WITHOUT_GPU = {
    "num_gpus_per_env_runner": 0,
    "num_gpus_per_learner": 0,
    "tensor_parallel_size": 1,
    "share_gpu": False,
    "attn_implementation": "sdpa",
}
_MOST_STEPS = 3
_MOST_RESPONSE_TOKENS = 16


def dry_run(config: Any, settings: RunSettings) -> int:
    """Check a config, estimate its memory and run a tiny iteration; return the exit status.

    Args:
        config: A `GiGPOConfig`.
        settings: How to start Ray.

    Raises:
        ConfigError: The config has mistakes, or is not a `GiGPOConfig`.
    """
    from rllib_gigpo import GiGPOConfig

    if not isinstance(config, GiGPOConfig):
        raise ConfigError(f"--dry-run needs a GiGPOConfig, not {type(config).__name__}")
    config.validate()
    print("\n".join(estimate_lines(config, gpu_bytes=settings.gpu_gb * 1e9)))
    print("\n".join(resource_lines(config)))
    print("running one iteration with a tiny model of the same architecture ...", flush=True)
    print(plain_line([summarize(_tiny_iteration(config, settings))], {}))
    print("the dry run succeeded")
    return 0


def estimate_lines(config: Any, *, gpu_bytes: float) -> list[str]:
    """Format the estimated memory of one Learner, as it is and shared otherwise, and of an engine.

    Args:
        config: A `GiGPOConfig`.
        gpu_bytes: Memory of a GPU.
    """
    import torch

    from rllib_gigpo.cli.training import memory_estimate, sharding_memory
    from rllib_gigpo.models.causal_lm import load_config, meta_causal_lm
    from rllib_gigpo.models.hardware.pass_memory import model_shape

    hf_config = load_config(config.model_path)
    model = meta_causal_lm(hf_config)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    shape = model_shape(hf_config, num_parameters)
    learner, engine = (
        torch.device("cuda" if number else "cpu")
        for number in (config.num_gpus_per_learner, config.num_gpus_per_env_runner)
    )
    of_learner: dict[str, Any] = {"num_learners": config.num_learners, "device": learner}
    tokens = memory_estimate.micro_batch_tokens(shape, config.settings, **of_learner)
    lines = [f"model {hf_config.model_type}, {num_parameters / 1e6:,.1f} M parameters"]
    if config.settings.model.lora is not None:
        lines.append(lora_line(config.settings.model, model))
    title = f"each of {max(1, config.num_learners)} Learners, micro-batches of {tokens:,} tokens"
    if learner.type == "cuda":
        lines += _sharding_lines(config, title, shape, sharding_memory.Groups.of(model), gpu_bytes)
    else:
        parts = memory_estimate.learner_memory(shape, config.settings, **of_learner)
        lines += _part_lines(title, parts)
    if hasattr(hf_config, "vision_config"):
        lines.append("the passes of the image tower are not in these numbers")
    num_engines = max(1, config.num_env_runners) * config.tensor_parallel_size
    parts = memory_estimate.engine_memory(shape, config.settings, config.num_env_runners, engine)
    kind = "engine GPUs" if engine.type == "cuda" else "engines"
    lines += _part_lines(f"each of {num_engines} {kind}", parts)
    return lines


def lora_line(settings: Any, model: Any) -> str:
    """Say how many layers get adapters, and how many of them are in the part that sees images.

    Args:
        settings: The section of the model.
        model: The model on the meta device; it gets the adapters.
    """
    from rllib_gigpo.models.causal_lm import trunk_of
    from rllib_gigpo.models.lora import add_lora, lora_paths
    from rllib_gigpo.models.vision.tower import tower_of

    tower = tower_of(trunk_of(model))
    add_lora(model, settings.lora, without=list(tower) if settings.images.freeze_tower else ())
    paths = lora_paths(model)
    line = f"LoRA on {len(paths)} layers"
    if not tower:
        return line
    num_seeing = sum(any(f".{name}." in path for name in tower) for path in paths)
    return f"{line}, {num_seeing or 'none'} of them in the image tower"


def _sharding_lines(
    config: Any, title: str, shape: Any, groups: Any, gpu_bytes: float
) -> list[str]:
    """Format a Learner's memory by part, that of every other layout, and what to change."""
    from rllib_gigpo.cli.training import sharding_memory

    layout = sharding_memory.Layout.of(config.settings, config.num_learners)
    about = (shape, groups, config.settings)
    memory = sharding_memory.memory_of(layout, *about)
    lines = _part_lines(title, memory.gpu)
    if memory.host:
        lines += _part_lines("and in the host's memory", memory.host)
    lines += ["other ways to share the model:", *sharding_memory.table(*about, gpu_bytes)]
    change = sharding_memory.advice(layout, *about, gpu_bytes)
    return lines if change is None else [*lines, change]


def resource_lines(config: Any) -> list[str]:
    """Format the resources that the run asks Ray for."""
    request = config.algo_class.default_resource_request(config.to_dict())
    total = ", ".join(f"{amount:g} {kind}" for kind, amount in request.required_resources.items())
    return [f"asks Ray for {total}, in {len(request.bundles)} bundles: {request.bundles}"]


def tiny_config(config: Any, model_path: Path, *, has_gpu: bool) -> Any:
    """Copy a config and reduce everything that makes an iteration long or large."""
    tiny = config.copy(copy_frozen=False)
    response_tokens = min(_MOST_RESPONSE_TOKENS, config.max_response_tokens)
    changes: dict[str, Any] = {
        **_TINY_RUN,
        **({} if has_gpu else _WITHOUT_GPU),
        "model_path": str(model_path),
        "max_episode_steps": min(_MOST_STEPS, config.max_episode_steps),
        "max_response_tokens": response_tokens,
    }
    overlong = config.settings.credit.penalties.overlong
    if overlong is not None:  # its buffer must fit in a response
        buffer_tokens = min(overlong.buffer_tokens, response_tokens)
        changes["penalties"] = {"overlong": {"buffer_tokens": buffer_tokens}}
    return tiny.update_from_dict(changes)


def _tiny_iteration(config: Any, settings: RunSettings) -> Mapping[str, Any]:
    import ray

    with tempfile.TemporaryDirectory() as folder, ray_session(settings.ray):
        save_tiny_twin(config.model_path, Path(folder))
        has_gpu = ray.cluster_resources().get("GPU", 0) > 0
        algorithm = tiny_config(config, Path(folder), has_gpu=has_gpu).build_algo()
        try:
            return algorithm.train()
        finally:
            algorithm.stop()


def size_text(num_bytes: float) -> str:
    """Return a size as "1.4 GiB", "12.0 MiB" or "3.5 KiB"."""
    for unit in ("GiB", "MiB"):
        scale = 2**30 if unit == "GiB" else 2**20
        if num_bytes >= scale:
            return f"{num_bytes / scale:,.1f} {unit}"
    return f"{num_bytes / 2**10:,.1f} KiB"


def _part_lines(title: str, parts: Mapping[str, int]) -> list[str]:
    lines = [f"{title}: {size_text(sum(parts.values()))}"]
    return lines + [f"  {name:<31} {size_text(size):>12}" for name, size in parts.items() if size]
