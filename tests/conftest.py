"""Fixtures that several folders of tests share."""

import pytest
import ray


@pytest.fixture(scope="session")
def ray_session():
    """One small Ray for all tests that need it."""
    if not ray.is_initialized():
        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
