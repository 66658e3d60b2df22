import subprocess
import sys
import warnings

import pytest
import torch

import rllib_gigpo
from rllib_gigpo import installation, torchvision_on_cpu


@pytest.mark.parametrize(
    ("versions", "broken"),
    [
        ({"torch": "2.13.0+cpu", "torchvision": "0.28.0"}, ["torchvision"]),
        ({"torch": "2.13.0+cpu", "torchvision": "0.28.0+cu130"}, ["torchvision"]),
        ({"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu"}, []),
        ({"torch": "2.13.0+cpu", "torchvision": None, "torchcodec": "0.17.0"}, ["torchcodec"]),
        ({"torch": "2.13.0", "torchvision": "0.28.0"}, []),
        ({"torch": "2.13.0+cu130", "torchvision": "0.28.0+cu130"}, []),
        ({"torch": None, "torchvision": "0.28.0"}, []),
    ],
)
def test_only_companions_built_for_another_torch_count_as_broken(versions, broken):
    assert installation.broken_torch_companions(versions) == broken


def test_a_torchvision_that_declares_its_operators_is_not_broken():
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.28.0", "torchaudio": "2.11.0"}
    broken = installation.broken_torch_companions(versions, torchvision_imports=True)
    assert broken == ["torchaudio"]


@pytest.fixture
def fake_torchvision(tmp_path, monkeypatch):
    """A package of this name beside a CPU build of torch; its extension finds no operators."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").touch()
    extension = package / "extension.py"
    extension.write_text("import torch\n\n\ndef _has_ops():\n    return False\n")
    monkeypatch.syspath_prepend(tmp_path)
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.28.0"}
    for module in (installation, torchvision_on_cpu):
        monkeypatch.setattr(module, "installed_version", versions.get)
    return extension


def test_missing_operators_are_declared_once_and_that_is_told(fake_torchvision):
    before = fake_torchvision.read_text()
    told = torchvision_on_cpu.declare_operators()
    assert "appended the declarations of two operators to" in told
    assert str(fake_torchvision) in told
    assert fake_torchvision.read_text().startswith(before)
    changed = fake_torchvision.read_text()
    assert "already" in torchvision_on_cpu.declare_operators()
    assert fake_torchvision.read_text() == changed
    assert installation.torchvision_declares_operators()
    namespace = {}
    exec(compile(changed, "extension", "exec"), namespace)
    assert torch.ops.torchvision.nms.default is not None


def test_a_torchvision_that_fits_is_left_alone(fake_torchvision, monkeypatch):
    before = fake_torchvision.read_text()
    for version in ("2.13.0", "2.13.0+cu130"):
        monkeypatch.setattr(torchvision_on_cpu, "installed_version", lambda name, v=version: v)
        assert "nothing was changed" in torchvision_on_cpu.declare_operators()
    assert fake_torchvision.read_text() == before


def test_a_broken_torchvision_is_told_with_the_command_that_removes_it(monkeypatch):
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.28.0", "torchaudio": "2.11.0"}
    monkeypatch.setattr(installation, "installed_version", versions.get)

    with pytest.warns(RuntimeWarning, match="pip uninstall -y torchvision torchaudio$"):
        installation.warn_about_broken_torch_packages()


def test_a_sound_installation_gives_no_warning(monkeypatch):
    monkeypatch.setattr(installation, "installed_version", {"torch": "2.13.0+cpu"}.get)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        installation.warn_about_broken_torch_packages()


@pytest.mark.parametrize("name", ["GiGPO", "GiGPOConfig"])
def test_the_first_use_looks_for_broken_packages(monkeypatch, name):
    looks = []
    monkeypatch.delitem(vars(rllib_gigpo), name, raising=False)  # kept from an earlier use
    monkeypatch.setattr(installation, "warn_about_broken_torch_packages", lambda: looks.append(1))

    assert getattr(rllib_gigpo, name).__name__ == name
    assert looks == [1]


def test_the_import_alone_does_not_look_for_broken_packages():
    code = "import sys, rllib_gigpo; print('rllib_gigpo.installation' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "False"
