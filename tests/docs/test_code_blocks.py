"""The code and the commands that the documentation shows are correct."""

import inspect
import re
import shlex
import sys
from pathlib import Path

import pytest

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.cli.main import build_parser
from rllib_gigpo.config.rllib_parts import RLlibParts

ROOT = Path(__file__).parents[2]
CORRIDOR = "rllib_gigpo.envs:Corridor-v0"
NEEDS = {"trackers.md": ("wandb", "mlflow")}  # `make integrations` installs them
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def pages_with(language):
    found = [page for page in PAGES if blocks(page, language)]
    names = [str(page.relative_to(ROOT)) for page in found]
    return pytest.mark.parametrize("page", found, ids=names)


def commands(page):
    text = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    words = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [line for line in words if line and line[0] == "rllib"]


def trains_nothing(config, *args, **kwargs):
    """Check the arguments as `warm_start` does; it has its own tests."""
    inspect.signature(RLlibParts.warm_start).bind(config, *args, **kwargs)
    return config


@pytest.fixture
def model_path(tmp_path):
    """A folder that the settings accept."""
    (tmp_path / "config.json").write_text("{}")
    return str(tmp_path)


@pytest.fixture
def scope(tmp_path, monkeypatch, model_path):
    """The names that a page may take for granted, and a folder of modules."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(GiGPOConfig, "warm_start", trains_nothing)
    config = GiGPOConfig().environment(CORRIDOR).llm(model_path=model_path)
    yield {"config": config, "GiGPOConfig": GiGPOConfig, "__name__": "page"}
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or ROOT).is_relative_to(tmp_path):
            del sys.modules[name]


@pages_with("python")
def test_the_code_of_a_page_runs(page, scope, tmp_path, model_path):
    for package in NEEDS.get(page.name, ()):
        pytest.importorskip(package, reason="`make integrations` tries the page")
    for block in blocks(page, "python"):
        block = re.sub(r"path/to/[\w.-]+", model_path, block)
        if module := re.match(r"# (\w+\.py)\n", block):
            (tmp_path / module[1]).write_text(block)
        code = re.sub(r"^algorithm = .*", "", block, flags=re.DOTALL | re.MULTILINE)  # trains
        exec(compile(code, page.name, "exec"), scope)
        if "config" in block and "tune." not in block:  # a search space is checked in its trials
            config = scope["config"].llm(model_path=model_path)
            _ = config.environment(config.env or CORRIDOR).settings  # refuses what does not exist


@pages_with("bash")
def test_the_commands_of_a_page_exist(page):
    for line in commands(page):
        build_parser().parse_args(line[1:])


def test_pages_show_commands():
    assert sum(len(commands(page)) for page in PAGES) >= 20
