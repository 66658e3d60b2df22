"""Fixtures shared by several folders of tests."""

import gc
import os
from pathlib import Path

import pytest
import ray


@pytest.fixture(scope="session")
def ray_session():
    """Start one small Ray session for all tests that need it; its workers can import `support`."""
    if not ray.is_initialized():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
            ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module", autouse=True)
def short_collections():
    """Take what lives at the start of a module out of later garbage collections.

    Imported packages alone make one last half a second, and an engine of vLLM needs two.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def thaws():
    """Note whether an engine of vLLM has put everything back: it does when it stops."""
    noted, unfreeze = [], gc.unfreeze

    def unfreeze_and_note():
        noted[:] = [True]
        unfreeze()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "unfreeze", unfreeze_and_note)
        yield noted


@pytest.fixture(autouse=True)
def short_collections_after_an_engine(thaws):
    """Take everything out again; `gc.get_freeze_count` would count for 20 ms at each test."""
    if thaws:
        gc.freeze()
        thaws.clear()


def pytest_unconfigure():
    """Let everything be collected at the end, or extension modules report what they leak."""
    gc.unfreeze()
