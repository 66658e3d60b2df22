"""The arguments for vLLM, tested without vLLM."""

import pytest

from rllib_gigpo.engines import EngineSettings
from rllib_gigpo.engines.model_facts import read_model_facts
from rllib_gigpo.engines.vllm.vllm_settings import (
    check_engine_kwargs,
    engine_arguments,
    kv_cache_bytes,
)
from rllib_gigpo.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tied_model_and_path):
    return read_model_facts(tied_model_and_path[1])


def settings(**changes):
    return EngineSettings(**{"model_path": "folder", "max_model_len": 100, **changes})


def test_log_probs_are_asked_for_after_temperature_and_truncation(folder):
    for on_gpu in (True, False):
        arguments = engine_arguments(settings(), folder, on_gpu=on_gpu)
        assert arguments["logprobs_mode"] == "processed_logprobs"


def test_engine_kwargs_override_defaults(folder):
    arguments = engine_arguments(
        settings(engine_kwargs={"max_num_seqs": 7, "block_size": 64}), folder, on_gpu=False
    )
    assert (arguments["max_num_seqs"], arguments["block_size"]) == (7, 64)


def test_all_options_that_are_not_free_are_named_at_once():
    with pytest.raises(ConfigError, match=r"'dtype': .*; 'logprobs_mode': "):
        check_engine_kwargs({"logprobs_mode": "raw_logits", "dtype": "half", "x": 1}, on_gpu=True)


def test_chunked_prefill_is_free_on_gpus_only():
    check_engine_kwargs({"enable_chunked_prefill": True}, on_gpu=True)
    with pytest.raises(ConfigError, match="chunked prefill"):
        check_engine_kwargs({"enable_chunked_prefill": True}, on_gpu=False)


@pytest.mark.parametrize(("share_gpu", "expected"), [(True, 0.45), (False, 0.9)])
def test_an_engine_that_shares_its_gpu_takes_less_and_can_sleep(folder, share_gpu, expected):
    arguments = engine_arguments(settings(share_gpu=share_gpu), folder, on_gpu=True)
    assert arguments["gpu_memory_utilization"] == expected
    assert arguments["enable_sleep_mode"] is share_gpu


@pytest.mark.parametrize(("size", "expected"), [(1, "uni"), (4, "mp")])
def test_tensor_parallel_workers_are_processes_and_not_ray_actors(folder, size, expected):
    arguments = engine_arguments(settings(tensor_parallel_size=size), folder, on_gpu=True)
    assert arguments["distributed_executor_backend"] == expected


def test_the_kv_cache_holds_all_sequences_at_full_length(folder):
    # Per token: key and value, 2 layers, 2 heads of 32, 4 bytes = 1024 bytes.
    # 100 tokens take 4 blocks of 32, plus one spare block.
    assert kv_cache_bytes(settings(), folder, num_sequences=3) == 3 * 5 * 32 * 1024
    assert kv_cache_bytes(settings(dtype="bfloat16"), folder, num_sequences=3) == 3 * 5 * 32 * 512


def test_the_kv_cache_takes_at_most_a_share_of_the_memory(folder):
    few = kv_cache_bytes(settings(), folder, num_sequences=2)
    assert few < kv_cache_bytes(settings(), folder, num_sequences=10**9) < 10**9 * few


def test_a_model_without_the_usual_fields_gets_one_gibibyte(folder):
    class Config:
        num_hidden_layers = 2

    unusual = type("Folder", (), {"config": Config()})()
    assert kv_cache_bytes(settings(), unusual, num_sequences=5) == 2**30


def test_a_large_kv_cache_is_for_32_sequences(folder):
    # Sequences of 5 and of 1,251 blocks of 32 tokens, 1,024 bytes each.
    small = kv_cache_bytes(settings(), folder, num_sequences=128)
    assert small == 128 * 5 * 32 * 1024
    long = settings(max_model_len=40_000)
    per_sequence = 1251 * 32 * 1024
    most = kv_cache_bytes(long, folder, num_sequences=128)
    assert most <= max(2**30, 32 * per_sequence) < 128 * per_sequence
