"""An engine in a child process, as on a GPU, but on the CPU; weights go through shared memory."""

from functools import partial

import pytest
import torch

from rllib_gigpo.engines import EngineSettings, make_engine
from rllib_gigpo.errors import EngineError
from rllib_gigpo.weights.checksum import weights_checksum

vllm_engine = pytest.importorskip("rllib_gigpo.engines.vllm.vllm_engine")
vllm_weights = pytest.importorskip("rllib_gigpo.engines.vllm.vllm_weights")

pytestmark = [
    pytest.mark.slow,  # the child imports vLLM and transformers again
    pytest.mark.skipif(torch.cuda.is_available(), reason="the CPU's arguments, for the CPU"),
]


@pytest.fixture(scope="module")
def engine(tied_model_and_path):
    settings = EngineSettings(model_path=tied_model_and_path[1], max_model_len=128)
    engine = make_engine("vllm", settings)
    engine._in_process = False
    engine.start()
    yield engine
    engine.stop()


def test_weights_log_probs_and_versions_cross_the_process_boundary(
    engine,
    tied_model_and_path,
    prompts,
    requests_of,
    largest_logp_error,
    change_weights,
    monkeypatch,
):
    model = tied_model_and_path[0]
    requests = requests_of(prompts)
    assert largest_logp_error(model, requests, engine.generate(requests)) < 1e-5
    # Chunks smaller than a layer: parts of a fused projection arrive separately.
    monkeypatch.setattr(vllm_weights, "chunked", partial(vllm_weights.chunked, max_bytes=20_000))
    for version in (1, 2):
        change_weights(model, seed=version)
        engine.load_weights(model.named_parameters(), version)
        answers = engine.generate(requests)
        assert largest_logp_error(model, requests, answers) < 1e-5
        assert {answer.weight_version for answer in answers} == {version}
        assert engine.weights_checksum() == weights_checksum(model.named_parameters())


def test_the_entropy_crosses_the_process_boundary(
    engine, tied_model_and_path, prompts, requests_of, check_uncertainty
):
    model = tied_model_and_path[0]
    engine.load_weights(model.named_parameters(), 9)
    requests = requests_of(prompts, with_uncertainty=True)
    for request, answer in zip(requests, engine.generate(requests), strict=True):
        check_uncertainty(model, request, answer, tolerance=1e-5)


def test_the_next_update_works_after_one_that_broke_half_way(
    engine, tied_model_and_path, prompts, requests_of, largest_logp_error, monkeypatch
):
    model = tied_model_and_path[0]
    monkeypatch.setattr(vllm_weights, "chunked", partial(vllm_weights.chunked, max_bytes=1))
    with pytest.raises(EngineError, match="lacks 3 of"):
        engine.load_weights(list(model.named_parameters())[:-3], 3)
    requests = requests_of(prompts)
    with pytest.raises(EngineError, match="call load_weights"):
        engine.submit(requests)
    engine.load_weights(model.named_parameters(), 4)
    assert largest_logp_error(model, requests, engine.generate(requests)) < 1e-5


def test_late_requests_and_aborts_work_across_the_boundary(engine, prompts, requests_of, drain):
    engine.submit(requests_of(prompts[:2], prefix="early", max_tokens=40))
    engine.submit(requests_of(prompts[2:4], prefix="late", max_tokens=2))
    engine.abort(["early1"])
    assert sorted(drain(engine)) == ["early0", "late0", "late1"]


def test_a_dead_engine_process_is_an_engine_error(engine, prompts, requests_of, drain):
    """Keep this test last in the file: it kills the engine."""
    engine.submit(requests_of(prompts, max_tokens=60))
    for process in engine._llm.engine_core.resources.engine_manager.processes:
        process.kill()
    with pytest.raises(EngineError, match="failed while generating"):
        drain(engine)
    with pytest.raises(EngineError, match="rejected the requests"):
        engine.submit(requests_of(prompts, prefix="more"))
