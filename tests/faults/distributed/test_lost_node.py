"""A node is lost with the EnvRunners on it, and later another one joins."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.mark.parametrize("max_staleness", [0, 1], ids=["in turns", "asynchronous"])
@pytest.mark.parametrize("when", ["groups", "weights"])
@pytest.mark.parametrize("num_survivors", [1, 0])
def test_a_lost_node(model, max_staleness, when, num_survivors):
    plan = {"max_staleness": max_staleness, "when": when, "num_survivors": num_survivors}
    ended = subprocess.run(
        [sys.executable, str(HERE / "two_nodes.py"), str(model), json.dumps(plan)],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "RAY_TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["is_lost"]
    assert told["num_groups"] == [4.0] * 10
    assert told["left"] == []
