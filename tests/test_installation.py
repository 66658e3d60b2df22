import subprocess
import sys
import warnings

import pytest

import rllib_gigpo
from rllib_gigpo import installation


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
