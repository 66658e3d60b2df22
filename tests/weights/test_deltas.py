"""Differences between weights: bit-exact, as small as they can be, and checked."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import ray
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.errors import EngineError
from rllib_gigpo.rl_modules.engine_module import VERSION, WEIGHTS
from rllib_gigpo.weights.deltas import Delta, difference
from rllib_gigpo.weights.transfers import TRANSFERS, DeltaTransfer
from rllib_gigpo.weights.weight_sync import WeightSync

TYPES = [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8]


def changed(tensor, places):
    """Return a copy with the lowest bit of some elements flipped, which may be NaN or -0."""
    bits = tensor.clone().reshape(-1).view(torch.uint8)
    for place in places:
        bits[place * tensor.element_size()] ^= 1
    return bits.view(tensor.dtype).reshape(tensor.shape)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 300),
    share=st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
    dtype=st.sampled_from(TYPES),
    seed=st.integers(0, 10**6),
)
def test_a_difference_leads_to_the_same_bits_and_is_never_larger(size, share, dtype, seed):
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, size * dtype.itemsize, dtype=np.uint8)
    old = torch.from_numpy(raw).view(dtype).reshape(-1, 1)
    new = changed(old, np.flatnonzero(rng.random(size) < share))
    part = difference(old, new)
    assert part.nbytes <= new.nbytes
    if isinstance(part, Delta):
        kept = old.clone()
        part.apply(kept)
        assert torch.equal(kept.view(torch.uint8), new.view(torch.uint8))
    else:
        assert part is new


@pytest.mark.parametrize(
    ("num_changed", "dtype", "kind", "num_bytes"),
    [
        (0, torch.bfloat16, np.int32, 0),
        (30, torch.bfloat16, np.int32, 30 * (4 + 2)),  # fewer than one of 32
        (64, torch.bfloat16, np.uint8, 128 + 64 * 2),
        (900, torch.bfloat16, np.uint8, 128 + 900 * 2),
        (980, torch.bfloat16, None, 1024 * 2),
        (15, torch.float32, np.int32, 15 * 8),
    ],
)
def test_the_smallest_of_three_forms_travels(num_changed, dtype, kind, num_bytes):
    old = torch.zeros(32, 32, dtype=dtype)
    part = difference(old, changed(old, range(num_changed)))
    assert part.nbytes == num_bytes
    if kind is not None:
        assert part.places.dtype == kind


class Learner:
    """A Learner whose few weights drift from update to update."""

    def __init__(self):
        self.tensors = {"a": torch.randn(64, 8), "b": torch.randn(5)}

    def export_weights(self):
        return ((name, tensor.bfloat16()) for name, tensor in self.tensors.items())

    def step(self):
        self.tensors["a"][3] += 0.5


class Runner:
    """An EnvRunner that keeps what its engine was given."""

    def __init__(self):
        self.module = SimpleNamespace(engine=SimpleNamespace(weight_version=-1))

    def set_state(self, state):
        self.loaded = {name: tensor.clone() for name, tensor in state["rl_module"][WEIGHTS]}
        self.module.engine.weight_version = state["rl_module"][VERSION]


class Group:
    """One Learner and some EnvRunners in this process, with the interface of RLlib's groups."""

    is_local, local_env_runner = False, None

    def __init__(self, num_runners=1):
        self.learner = Learner()
        self.runners = {index: Runner() for index in range(1, num_runners + 1)}
        self._worker_manager = SimpleNamespace(actors=self.actors)

    def foreach_learner(self, function, *, timeout_seconds):
        result = function(self.learner)
        return [SimpleNamespace(ok=True, get=lambda: result)]

    def actors(self):
        def call(runner):
            return lambda function: ray.put(function(runner))

        return {
            index: SimpleNamespace(apply=SimpleNamespace(remote=call(runner)))
            for index, runner in self.runners.items()
        }

    def answering(self):
        return list(self.runners)

    def end(self, *fault):
        raise AssertionError(fault)

    def arrived(self):
        sent = dict(self.learner.export_weights())
        return all(
            torch.equal(runner.loaded[name], tensor)
            for runner in self.runners.values()
            for name, tensor in sent.items()
        )


def sync(group, **options):
    return WeightSync(
        group, group, group, transfer=DeltaTransfer(**options), silence_s=60.0, timeout_s=5.0
    )


def push(group, sender, version):
    """Let the Learner step, and send its weights."""
    group.learner.step()
    sender.push(version)


def test_differences_follow_an_update_in_full(ray_session):
    group = Group(num_runners=2)
    sender = sync(group)
    sender.push(1)
    assert sender.metrics()["weight_update_share"] == 1.0
    for version in (2, 3):
        push(group, sender, version)
        assert group.arrived()
        assert sender.metrics()["weight_update_bytes"] == 8 * (4 + 2)
    assert sender.metrics()["weight_update_share"] == pytest.approx(48 / (2 * (64 * 8 + 5)))


def test_every_nth_update_is_in_full(ray_session):
    group = Group()
    sender = sync(group, full_interval=3)
    shares = []
    for version in range(7):
        push(group, sender, version)
        assert group.arrived()
        shares.append(sender.metrics()["weight_update_share"] == 1.0)
    assert shares == [True, False, False, True, False, False, True]


def test_a_restarted_runner_catches_up_without_the_learner(ray_session):
    group = Group(num_runners=2)
    sender = sync(group)
    for version in range(4):
        push(group, sender, version)
    group.runners[2] = Runner()
    sender._wait_for(sender._send(sender._updates, [2]), 3)
    assert group.arrived()


def test_a_run_that_goes_back_to_an_older_version_sends_what_differs(ray_session):
    group = Group()
    sender = sync(group)
    for version in range(5):
        push(group, sender, version)
    group.learner.tensors["a"][3] -= 1.0  # restored
    sender.push(3)
    assert group.arrived()
    assert group.runners[1].module.engine.weight_version == 3


def test_weights_that_changed_on_the_way_are_loaded_in_full(ray_session):
    group = Group()
    sender = sync(group)
    sender.push(1)
    group.runners[1].kept_weights.tensors["b"][0] = 7.0
    push(group, sender, 2)
    assert group.arrived()


def test_a_fault_that_stays_is_an_error(ray_session):
    group = Group()
    sender = sync(group)
    sender.push(1)
    group.learner.step()
    wrong = replace(sender._exported(2)[-1], checksum="0" * 16)
    with pytest.raises(EngineError, match=r"version 2 that arrived are not those .*checksum"):
        sender._transfer.load(group.runners[1], [sender._updates[0], wrong])


def test_differences_alone_are_refused(ray_session):
    group = Group()
    sender = sync(group)
    sender.push(1)
    push(group, sender, 2)
    with pytest.raises(EngineError, match=r"version 2 holds only differences.*all weights first"):
        sender._transfer.load(Runner(), sender._updates[1:])


def test_an_export_whose_answer_was_lost_is_followed_by_one_in_full(ray_session):
    learner, transfer = Learner(), DeltaTransfer()
    transfer.put(learner, version=1, serial=1, base=None)
    transfer.put(learner, version=2, serial=2, base=1)  # its answer was lost
    assert transfer.put(learner, version=3, serial=3, base=1).base is None


def test_the_setting_is_a_variant_with_an_option():
    transfer = TRANSFERS.build({"name": "delta", "full_interval": 5})
    assert (type(transfer), transfer.full_interval) == (DeltaTransfer, 5)
    with pytest.raises(ValueError, match="full_interval"):
        TRANSFERS.build({"name": "delta", "full_interval": 0})


def test_differences_as_large_as_the_weights_are_followed_by_one_in_full(ray_session):
    group = Group()
    sender = sync(group)
    kept = []
    for version in range(4):
        group.learner.tensors = {
            name: tensor + 1.0 for name, tensor in group.learner.tensors.items()
        }
        sender.push(version)
        assert group.arrived()
        kept.append([update.base for update in sender._updates])
    assert kept == [[None], [], [None], []]  # what nobody needs is not kept
