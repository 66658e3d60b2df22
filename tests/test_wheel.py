"""The built wheel in an empty environment, without Ray, torch and vLLM."""

import re
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from support.runs.recorded_run import episode_lines, write_run

ROOT = Path(__file__).parents[1]
HEAVY = ("ray", "torch", "transformers", "tokenizers")  # vLLM is an extra


def pip(python, *arguments):
    subprocess.run(
        [python, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=500,
    )


@pytest.fixture(scope="module")
def rllib(tmp_path_factory):
    """Return a function that runs the installed command elsewhere, with the wheel's files alone."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # setuptools packs whatever an earlier build has left in a folder
    source.mkdir()
    for name in ("rllib_gigpo", "envs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip(sys.executable, "wheel", "--no-deps", "--no-build-isolation", source, "-w", folder)
    (wheel,) = folder.glob("rllib_gigpo-*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    pip(python, "install", "--no-deps", wheel)
    (facts,) = folder.glob("venv/lib/python*/site-packages/rllib_gigpo-*.dist-info")
    needed = metadata.Distribution.at(facts).requires
    light = [one for one in needed if "extra ==" not in one and not one.startswith(HEAVY)]
    pip(python, "install", *light)

    def run(*arguments):
        command = [python.with_name("rllib"), *arguments]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=200
        )

    return run


def test_play_and_envs_need_no_model(rllib):
    assert "rllib_gigpo.envs:Corridor-v0" in rllib("envs").stdout
    played = rllib("play", "rllib_gigpo.envs:Corridor-v0", "--as", "random")
    assert played.returncode == 0, played.stderr


def test_settings_are_listed_as_where_torch_is_installed(rllib):
    listed = rllib("settings")
    assert listed.returncode == 0, listed.stderr
    command = [sys.executable, "-m", "rllib_gigpo.cli.main", "settings"]
    here = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    assert listed.stdout == here.stdout
    assert "rule.hgpo.anchor_context" in listed.stdout


def test_a_run_is_shown(rllib, tmp_path):
    run = write_run(tmp_path / "run", {1: episode_lines([0, 1], won=True)})
    ended = rllib("view", run, "--export", tmp_path / "pages")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "pages" / "assets" / "plotly.min.js").stat().st_size > 1e6
    assert "room 1" in (tmp_path / "pages" / "run-1" / "task-7.html").read_text()


def test_the_doctor_names_what_is_missing_and_the_cure(rllib):
    told = rllib("doctor")
    assert told.returncode == 1
    for name in (*HEAVY, "vllm"):
        assert re.search(rf"^{name} +missing$", told.stdout, re.MULTILINE)
    assert "cure        pip install 'ray[rllib]==2.60.*'" in told.stdout


def test_a_command_says_which_package_it_needs(rllib):
    ended = rllib("evaluate", "somewhere")
    assert ended.returncode == 2
    assert re.match("rllib: error: this needs [a-z]+, which is not installed;", ended.stderr)
