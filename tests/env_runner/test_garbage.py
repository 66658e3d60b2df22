"""Garbage collection is rarer while episodes are played, and as before afterwards."""

import gc

import pytest

from rllib_gigpo.env_runner.group_env_runner import rare_garbage_collection


@pytest.fixture
def thresholds():
    old = gc.get_threshold()
    yield
    gc.set_threshold(*old)


@pytest.mark.parametrize(
    ("before", "meanwhile"),
    [(700, 50_000), (0, 0), (100_000, 100_000)],
    ids=["own", "off", "rarer"],
)
def test_the_users_thresholds_come_back(thresholds, before, meanwhile):
    gc.set_threshold(before, 10, 10)
    with rare_garbage_collection():
        assert gc.get_threshold()[0] == meanwhile
    assert gc.get_threshold() == (before, 10, 10)
