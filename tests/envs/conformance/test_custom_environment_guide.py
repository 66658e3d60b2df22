import re
import sys
from pathlib import Path

import pytest

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.contract import INFO_TYPES

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "custom_environment.md"


def blocks_of_code(document: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL)


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Return a function that makes code importable under a given name."""
    written = []

    def write(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code)
        written.append(name)

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture
def guess(write_module):
    """Make the guide's first block of code importable as the module `guess`."""
    write_module("guess", blocks_of_code(GUIDE)[0])


def test_the_environment_of_the_readme_keeps_the_contract(write_module):
    (code,) = [block for block in blocks_of_code(ROOT / "README.md") if "class GuessEnv" in block]
    write_module("my_module", code)
    assert check_env("my_module:Guess-v0").problems == ()


def test_the_example_of_the_guide_keeps_the_contract(guess):
    report = check_env("guess:Guess-v0")
    assert report.problems == ()
    assert report.recurring_anchors == 1.0
    shown = GUIDE.read_text().splitlines()
    for line in str(report).splitlines():  # times and memory depend on the machine
        pattern = re.sub(r"[\d.]+", r"[\\d.]+", re.escape(line).replace(r"\.", "."))
        assert any(re.fullmatch(pattern, known) for known in shown), line


def test_the_guide_explains_every_key():
    explained = re.findall(r"^\| `(\w+)` \| `", GUIDE.read_text(), re.MULTILINE)
    assert set(INFO_TYPES) - {"anchor"} <= set(explained)
    assert "| `anchor` |" in GUIDE.read_text()
