"""The choice of types: what "auto" means, and the probe behind it."""

import pytest
import torch

from rllib_gigpo.engines import EngineSettings, make_engine
from rllib_gigpo.models.hardware import precision
from rllib_gigpo.models.hardware.precision import Precision, autocast_context, measured_gain

CPU = torch.device("cpu")


class Clock:
    """A clock that only moves when something takes time."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def taking(self, *seconds):
        """Return a function that takes these times, the last one for ever."""
        times = list(seconds)

        def run():
            self.now += times.pop(0) if len(times) > 1 else times[0]

        return run


def test_the_gain_is_that_of_the_fastest_runs_after_the_first():
    clock = Clock()
    # Other work slows some runs down; compiling slows the first one.
    plain, mixed = clock.taking(9.0, 0.03, 0.02, 0.05), clock.taking(9.0, 0.04, 0.01)
    assert measured_gain(plain, mixed, clock=clock, probe_s=0.5) == pytest.approx(2.0)
    assert 18.5 <= clock.now < 18.6


def test_a_slow_machine_measures_each_type_twice():
    clock, runs = Clock(), []

    def slow():
        runs.append(1)
        clock.now += 10.0

    measured_gain(slow, slow, clock=clock, probe_s=0.5)
    assert len(runs) == 2 * 3


@pytest.mark.parametrize(("gain", "prefers"), [(1.2, False), (1.25, True), (2.0, True)])
def test_bfloat16_must_be_clearly_faster(monkeypatch, gain, prefers):
    monkeypatch.setattr(precision, "measured_gain", lambda *passes: gain)
    precision._cpu_prefers_bfloat16.cache_clear()
    assert precision.prefers_bfloat16(CPU) == prefers
    monkeypatch.setattr(precision, "measured_gain", None)  # the answer holds for the process
    assert precision.prefers_bfloat16(CPU) == prefers
    precision._cpu_prefers_bfloat16.cache_clear()


def test_the_probe_multiplies_in_bfloat16_and_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    seen = products_of(precision._layer_pass("bfloat16"))
    assert seen == {torch.bfloat16}
    assert products_of(precision._layer_pass(None)) == {torch.float32}
    assert torch.equal(torch.get_rng_state(), before)


def products_of(run):
    """Return the types of the matrices that a function multiplies."""
    from torch.utils._python_dispatch import TorchDispatchMode

    seen = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm):
                seen.update(one.dtype for one in args if isinstance(one, torch.Tensor))
            return function(*args, **(kwargs or {}))

    with Watch():
        run()
    return seen


@pytest.mark.parametrize(
    ("weights", "autocast", "engine", "is_fast", "expected", "is_equal"),
    [
        ("float32", None, None, None, ("float32", None, "float32"), True),
        ("bfloat16", None, None, None, ("bfloat16", None, "bfloat16"), True),
        ("float32", "bfloat16", None, None, ("float32", "bfloat16", "float32"), False),
        ("float32", "bfloat16", "bfloat16", None, ("float32", "bfloat16", "bfloat16"), False),
        ("float32", None, "bfloat16", None, ("float32", None, "bfloat16"), False),
        ("float32", "auto", "auto", True, ("float32", "bfloat16", "bfloat16"), False),
        ("float32", "auto", "auto", False, ("float32", None, "float32"), True),
        ("float32", None, "auto", True, ("float32", None, "bfloat16"), False),
        ("float32", "auto", None, True, ("float32", "bfloat16", "float32"), False),
        ("bfloat16", "auto", "auto", True, ("bfloat16", "bfloat16", "bfloat16"), True),
    ],
)
def test_auto_means_what_the_machine_prefers(
    weights, autocast, engine, is_fast, expected, is_equal
):
    def prefers():
        assert is_fast is not None, "without 'auto' nothing is measured"
        return is_fast

    chosen = Precision.of(weights, autocast=autocast, engine=engine, prefers_bfloat16=prefers)
    assert (chosen.weights, chosen.autocast, chosen.engine) == expected
    assert chosen.is_equal == is_equal


def test_an_engine_that_chooses_elsewhere_is_not_known_to_compute_alike():
    settings = {"autocast": None, "prefers_bfloat16": lambda: False, "engine_is_here": False}
    assert not Precision.of("float32", engine="auto", **settings).is_equal
    assert Precision.of("float32", engine=None, **settings).is_equal


def test_autocast_on_a_cpu_changes_the_type_of_products_only():
    linear = torch.nn.Linear(4, 4, bias=False)
    with autocast_context(CPU, "bfloat16"):
        assert linear(torch.ones(2, 4)).dtype == torch.bfloat16
    with autocast_context(CPU, None):
        assert linear(torch.ones(2, 4)).dtype == torch.float32
    assert linear.weight.dtype == torch.float32


@pytest.mark.parametrize(("is_fast", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_an_engine_decides_on_its_own_machine(monkeypatch, is_fast, dtype):
    monkeypatch.setattr(precision, "prefers_bfloat16", lambda device: is_fast)
    settings = EngineSettings(model_path="unused", max_model_len=8, dtype="auto")
    assert make_engine("transformers", settings).settings.dtype == dtype
