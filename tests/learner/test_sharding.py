"""Sharding: which Learner exports weights, one by one, and in which dtype."""

import pytest
import torch

from rllib_gigpo.learner.sharding.ddp import DDP
from rllib_gigpo.learner.sharding.single import Single


@pytest.fixture
def touched():
    """Return the names of the weights read so far."""
    return []


@pytest.fixture
def weights(touched):
    tensors = {"a": torch.full((2,), 1.001), "counts": torch.arange(3), "c": torch.ones(1)}

    def read():
        for name, tensor in tensors.items():
            touched.append(name)
            yield name, tensor

    return read()


def test_weights_are_exported_as_a_stream(weights, touched):
    stream = Single().export(weights, torch.float32)
    assert touched == []
    assert next(stream)[0] == "a"
    assert touched == ["a"]


def test_floating_point_weights_are_cast_and_others_are_not(weights):
    exported = dict(Single().export(weights, torch.bfloat16))
    assert exported["a"].dtype == torch.bfloat16
    assert torch.equal(exported["a"], torch.full((2,), 1.001).bfloat16())
    assert exported["counts"].dtype == torch.int64


@pytest.mark.parametrize(("rank", "names"), [(0, ["a", "counts", "c"]), (1, [])])
def test_of_equal_copies_the_first_alone_is_exported(monkeypatch, weights, touched, rank, names):
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: rank)
    sharding = DDP(world_size=2, ddp_kwargs={}, timeout_s=60.0)
    assert [name for name, _ in sharding.export(weights, torch.float32)] == names
    assert touched == names
