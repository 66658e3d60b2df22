"""A node is lost with the EnvRunners on it, and later another one joins."""

import json
from pathlib import Path

import pytest
from faults.command import script_result

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("two_nodes.py")


@pytest.mark.parametrize("max_staleness", [0, 1], ids=["in turns", "asynchronous"])
@pytest.mark.parametrize("when", ["groups", "weights"])
@pytest.mark.parametrize("num_survivors", [1, 0])
@pytest.mark.fault("B30", promise="A run survives the loss of a node with its EnvRunners.")
def test_a_lost_node(model, max_staleness, when, num_survivors, record_property):
    plan = {"max_staleness": max_staleness, "when": when, "num_survivors": num_survivors}
    told = script_result(SCRIPT, str(model), json.dumps(plan))
    assert told["is_lost"]
    assert told["is_replaced"]
    assert told["num_groups"] == [4.0] * 10
    assert told["left"] == []
    record_property("lost", "nothing: groups in flight are played again")
