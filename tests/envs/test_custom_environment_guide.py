import re
import sys
from pathlib import Path

import pytest

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.contract import INFO_TYPES

GUIDE = Path(__file__).parents[2] / "docs" / "custom_environment.md"


@pytest.fixture
def guess(tmp_path, monkeypatch):
    """The guide's first block of code, as the module that it says it is."""
    (code, *_) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "guess.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("guess", None)


def test_the_example_of_the_guide_keeps_the_contract(guess):
    report = check_env("guess:Guess-v0")
    assert report.problems == ()
    assert report.recurring_anchors == 1.0
    assert str(report).splitlines()[0] in GUIDE.read_text()


def test_the_guide_explains_every_key():
    explained = re.findall(r"^\| `(\w+)` \| `", GUIDE.read_text(), re.MULTILINE)
    assert set(INFO_TYPES) - {"anchor"} <= set(explained)
    assert "| `anchor` |" in GUIDE.read_text()
