"""Ray's object store is full, and a run goes on."""

from pathlib import Path

import pytest
from faults.command import script_result

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("full_store.py")


@pytest.mark.parametrize("max_staleness", [0, 1], ids=["in turns", "asynchronous"])
@pytest.mark.fault("B31", promise="With a full object store, objects go to the disk.")
def test_a_full_object_store(model, max_staleness, record_property):
    told = script_result(SCRIPT, str(model), str(max_staleness))
    assert told == {"num_groups": [4.0] * 5, "num_held": 16, "error": None}
    record_property("lost", "nothing")
