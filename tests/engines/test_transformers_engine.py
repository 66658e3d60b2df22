"""The reference engine against transformers' own forward pass."""

import pytest
import torch

from rllib_gigpo.engines import EngineSettings, GenerationRequest, SamplingSettings, make_engine
from rllib_gigpo.errors import ConfigError, EngineError
from rllib_gigpo.weights.checksum import weights_checksum


@pytest.fixture
def model(model_and_path):
    return model_and_path[0]


@pytest.fixture
def engine(model_and_path):
    engine = make_engine(
        "transformers", EngineSettings(model_path=model_and_path[1], max_model_len=128)
    )
    engine.start()
    engine.load_weights(model_and_path[0].named_parameters(), 0)
    yield engine
    engine.stop()


def test_log_probs_are_those_of_a_plain_forward_pass(
    engine, model, prompts, requests_of, largest_logp_error, change_weights
):
    requests = requests_of(prompts)
    assert largest_logp_error(model, requests, engine.generate(requests)) < 1e-5
    change_weights(model, seed=1)
    engine.load_weights(model.named_parameters(), 1)
    answers = engine.generate(requests)
    assert largest_logp_error(model, requests, answers) < 1e-5
    assert {answer.weight_version for answer in answers} == {1}


SAMPLINGS = [{}, {"temperature": 0.7, "top_k": 5}, {"top_p": 0.6}, {"temperature": 0.0}]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_an_answer_tells_how_uncertain_its_tokens_were_if_it_is_asked(
    engine, model, prompts, requests_of, check_uncertainty, sampling
):
    plain = engine.generate(requests_of(prompts, **sampling))
    requests = requests_of(prompts, with_uncertainty=True, **sampling)
    answers = engine.generate(requests)
    for request, answer in zip(requests, answers, strict=True):
        check_uncertainty(model, request, answer, tolerance=1e-5)
    assert [answer.token_ids for answer in answers] == [answer.token_ids for answer in plain]
    assert all(answer.uncertainty is None for answer in plain)


def test_generate_needs_an_idle_engine(engine, prompts, requests_of):
    engine.submit(requests_of(prompts[:1], prefix="early"))
    with pytest.raises(EngineError, match="1 requests are unfinished"):
        engine.generate(requests_of(prompts))


def test_a_late_request_finishes_before_an_early_long_one(engine, prompts, requests_of):
    engine.submit(requests_of(prompts[:1], prefix="long", max_tokens=40))
    assert engine.poll() == []
    engine.submit(requests_of(prompts[1:2], prefix="late", max_tokens=1))
    assert [generation.request_id for generation in engine.poll()] == ["late0"]
    assert engine.num_unfinished == 1


def test_aborted_requests_are_not_returned(engine, prompts, requests_of, drain):
    engine.submit(requests_of(prompts))
    engine.poll()
    engine.abort(["r0", "r3", "unknown"])
    assert sorted(drain(engine)) == ["r1", "r2", "r4", "r5", "r6", "r7"]


def test_an_end_token_ends_the_response(engine, prompts, requests_of):
    requests = requests_of(prompts * 4, max_tokens=20)
    answers = engine.generate(requests)
    stopped = [answer for answer in answers if answer.finish_reason == "stop"]
    end = engine._stop_token_ids
    assert stopped
    assert all(answer.token_ids[-1] in end for answer in stopped)
    assert not any(set(answer.token_ids[:-1]) & end for answer in answers)
    assert all(len(a.token_ids) == 20 for a in answers if a.finish_reason == "length")


def test_seeds_decide_the_tokens_whatever_runs_beside_them(engine, prompts, requests_of):
    together = engine.generate(requests_of(prompts))
    alone = engine.generate(requests_of(prompts)[3:4])
    assert alone[0].token_ids == together[3].token_ids


def test_requests_without_a_seed_repeat_with_the_engines_seed(model_and_path, prompts):
    def first_answers():
        settings = EngineSettings(model_path=model_and_path[1], max_model_len=128, seed=7)
        engine = make_engine("transformers", settings)
        engine.start()
        sampling = SamplingSettings(max_tokens=8)
        requests = [GenerationRequest(str(i), prompts[i], sampling) for i in range(3)]
        return [answer.token_ids for answer in engine.generate(requests)]

    assert first_answers() == first_answers()


def test_a_bad_update_leaves_the_old_weights(engine, model, prompts, requests_of):
    before = engine.weights_checksum()
    with pytest.raises(EngineError, match="lacks 1 of"):
        engine.load_weights(list(model.named_parameters())[:-1], 1)
    assert (engine.weights_checksum(), engine.weight_version) == (before, 0)
    assert engine.generate(requests_of(prompts[:1]))


def test_the_checksum_is_that_of_the_learners_tensors(engine, model, change_weights):
    change_weights(model, seed=2)
    engine.load_weights(model.named_parameters(), 1)
    assert engine.weights_checksum() == weights_checksum(model.named_parameters())
    assert engine.weights_checksum() == weights_checksum(
        model.state_dict().items(),
        tied_head="lm_head.weight" if model.config.tie_word_embeddings else None,
    )


def test_weights_that_change_in_flight_sample_the_tokens_after_them(
    engine, model, prompts, requests_of, answers_in_flight, check_two_versions
):
    requests = requests_of(prompts, max_tokens=40)
    answers, old, version = answers_in_flight(engine, model, requests, num_polls=6)
    models = {version - 1: old, version: model}
    check_two_versions(requests, answers, models, tolerance=1e-5)


def test_the_global_generator_is_not_touched(engine, prompts, requests_of):
    before = torch.get_rng_state()
    engine.generate(requests_of(prompts))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_engine_that_is_not_running_says_so(engine, prompts, requests_of):
    engine.stop()
    engine.stop()
    with pytest.raises(EngineError, match=r"call start\(\) first"):
        engine.submit(requests_of(prompts))


def test_a_folder_without_a_model_is_named(tmp_path):
    engine = make_engine("transformers", EngineSettings(model_path=str(tmp_path), max_model_len=64))
    with pytest.raises(EngineError, match=r"no config.json.*llm\(model_path"):
        engine.start()


def test_a_context_beyond_the_models_is_an_error(model_and_path):
    engine = make_engine(
        "transformers", EngineSettings(model_path=model_and_path[1], max_model_len=257)
    )
    with pytest.raises(EngineError, match="257 exceeds the model's context of 256"):
        engine.start()


def test_engine_kwargs_that_would_do_nothing_are_an_error():
    settings = EngineSettings(model_path="x", max_model_len=8, engine_kwargs={"max_num_seqs": 4})
    with pytest.raises(ConfigError, match="takes no engine_kwargs"):
        make_engine("transformers", settings)
