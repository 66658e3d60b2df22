"""Fixtures shared by several folders of tests."""

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
