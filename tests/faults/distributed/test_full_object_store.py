"""Ray's object store is full, and a run goes on or ends with a message."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
MODES = pytest.mark.parametrize("max_staleness", [0, 1], ids=["in turns", "asynchronous"])


def train(model, max_staleness, *spill_folder) -> dict:
    ended = subprocess.run(
        [sys.executable, HERE / "full_store.py", model, str(max_staleness), *spill_folder],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "RAY_TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@MODES
def test_a_full_object_store(model, max_staleness):
    told = train(model, max_staleness)
    assert told == {"num_groups": [4.0] * 5, "num_held": 16, "error": None}
