"""Real vLLM on the CPU, in this process, against transformers."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from rllib_gigpo.engines import EngineSettings, GenerationRequest, SamplingSettings, make_engine
from rllib_gigpo.engines.token_distribution import token_log_probs
from rllib_gigpo.engines.vllm.reported_entropy import add_entropy
from rllib_gigpo.errors import ConfigError, EngineError
from rllib_gigpo.weights.checksum import weights_checksum

vllm_engine = pytest.importorskip("rllib_gigpo.engines.vllm.vllm_engine")
vllm_weights = pytest.importorskip("rllib_gigpo.engines.vllm.vllm_weights")

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the engine in this process")

MAX_MODEL_LEN = 128
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def started(model_and_path):
    model, path = model_and_path
    engine = make_engine("vllm", EngineSettings(model_path=path, max_model_len=MAX_MODEL_LEN))
    engine.start()
    yield model, engine
    engine.stop()


@pytest.fixture
def model(started):
    return started[0]


@pytest.fixture
def engine(started):
    """Return the engine, idle and with the model's weights, whatever the previous test did."""
    model, engine = started
    engine.abort(list(engine._unfinished))
    engine.load_weights(model.named_parameters(), engine.weight_version + 1)
    return engine


def test_log_probs_equal_transformers_before_and_after_two_updates(
    engine, model, prompts, requests_of, largest_logp_error, change_weights
):
    requests = requests_of(prompts)
    assert largest_logp_error(model, requests, engine.generate(requests)) < TOLERANCE
    for seed in (1, 2):
        change_weights(model, seed=seed)
        engine.load_weights(model.named_parameters(), 100 + seed)
        answers = engine.generate(requests)
        assert largest_logp_error(model, requests, answers) < TOLERANCE


def test_the_untouched_checkpoint_is_what_a_new_engine_answers_with(
    model_and_path, prompts, requests_of, largest_logp_error
):
    model, path = model_and_path
    fresh = type(model).from_pretrained(path, dtype=torch.float32).eval()
    engine = make_engine("vllm", EngineSettings(model_path=path, max_model_len=MAX_MODEL_LEN))
    engine.start()
    requests = requests_of(prompts)
    answers = engine.generate(requests)
    assert largest_logp_error(fresh, requests, answers) < TOLERANCE
    assert engine.weights_checksum() == weights_checksum(fresh.named_parameters())
    assert {answer.weight_version for answer in answers} == {0}
    engine.stop()


def test_a_tied_head_follows_its_embedding_though_only_that_is_sent(
    engine, model, prompts, requests_of, largest_logp_error, change_weights
):
    change_weights(model, seed=3)
    sent = dict(model.named_parameters())
    assert ("lm_head.weight" in sent) is not model.config.tie_word_embeddings
    engine.load_weights(sent.items(), 300)
    requests = requests_of(prompts)
    assert largest_logp_error(model, requests, engine.generate(requests)) < TOLERANCE


def test_the_state_dict_with_its_second_name_for_a_tied_head_is_taken_too(
    engine, model, prompts, requests_of, largest_logp_error, change_weights
):
    change_weights(model, seed=4)
    engine.load_weights(model.state_dict().items(), 400)
    requests = requests_of(prompts)
    assert largest_logp_error(model, requests, engine.generate(requests)) < TOLERANCE


def test_a_repeated_prompt_is_not_answered_from_the_cache_of_old_weights(
    engine, model, requests_of, largest_logp_error, change_weights
):
    requests = requests_of([list(range(3, 103))] * 2, max_tokens=4)
    engine.generate(requests)
    change_weights(model, seed=5)
    engine.load_weights(model.named_parameters(), 500)
    assert largest_logp_error(model, requests, engine.generate(requests)) < TOLERANCE


def test_equal_seeds_give_equal_tokens_and_other_seeds_others(engine, prompts, requests_of):
    first = [answer.token_ids for answer in engine.generate(requests_of(prompts))]
    again = [answer.token_ids for answer in engine.generate(requests_of(prompts))]
    other = [answer.token_ids for answer in engine.generate(requests_of(prompts[::-1])[::-1])]
    assert first == again
    assert first != other


def test_the_first_token_needs_no_compiler(engine, prompts, requests_of):
    """One function of vLLM's sampler would otherwise take seconds of C++ compilation."""
    from torch._dynamo.utils import counters

    before = counters["stats"]["unique_graphs"]
    engine.generate(requests_of(prompts))
    assert counters["stats"]["unique_graphs"] == before


def test_late_requests_join_the_running_batch(engine, prompts, requests_of, drain):
    engine.submit(requests_of(prompts[:1], prefix="long", max_tokens=60))
    for _ in range(3):
        assert engine.poll() == []
    engine.submit(requests_of(prompts[1:3], prefix="late", max_tokens=1))
    finished = engine.poll()
    assert sorted(generation.request_id for generation in finished) == ["late0", "late1"]
    assert engine.num_unfinished == 1
    assert list(drain(engine)) == ["long0"]


def test_an_idle_engine_returns_nothing(engine):
    assert engine.poll() == []
    assert engine.num_unfinished == 0


def test_answers_come_in_the_order_of_the_requests(engine, prompts):
    requests = [
        GenerationRequest(str(i), prompt, SamplingSettings(max_tokens=20 - 2 * i), seed=i)
        for i, prompt in enumerate(prompts)
    ]
    answers = engine.generate(requests)
    assert [answer.request_id for answer in answers] == [str(i) for i in range(8)]


def test_every_token_knows_the_weights_that_made_it(engine, model, prompts, requests_of):
    engine.load_weights(model.named_parameters(), 7000)
    for answer in engine.generate(requests_of(prompts)):
        assert answer.weight_version == 7000
        assert answer.token_versions.tolist() == [7000] * len(answer.token_ids)
    assert engine.weight_version == 7000


def test_aborted_requests_are_not_returned_and_their_ids_are_free(
    engine, prompts, requests_of, drain
):
    engine.submit(requests_of(prompts, max_tokens=30))
    engine.poll()
    engine.abort(["r0", "r5", "never seen"])
    assert sorted(drain(engine)) == ["r1", "r2", "r3", "r4", "r6", "r7"]
    engine.submit(requests_of(prompts[:1]))
    assert list(drain(engine)) == ["r0"]


def test_a_response_ends_with_the_end_token_or_at_its_length(engine, model, prompts, requests_of):
    end = model.config.eos_token_id
    answers = engine.generate(requests_of(prompts * 8, max_tokens=60))
    stopped = [answer for answer in answers if answer.finish_reason == "stop"]
    assert stopped
    assert all(answer.token_ids[-1] == end for answer in stopped)
    assert not any(end in answer.token_ids[:-1] for answer in answers)
    assert all(len(a.token_ids) == 60 for a in answers if a.finish_reason == "length")
    assert all(a.logp.shape == (len(a.token_ids),) for a in answers)
    assert answers[0].logp.dtype == np.float32


def test_a_response_gets_no_more_than_the_context_leaves(engine):
    prompt = [5] * (MAX_MODEL_LEN - 2)
    [answer] = engine.generate(
        [GenerationRequest("a", prompt, SamplingSettings(max_tokens=50), seed=3)]
    )
    assert len(answer.token_ids) <= 2


def test_one_prompt_that_does_not_fit_keeps_the_whole_submission_out(engine, prompts, requests_of):
    with pytest.raises(EngineError, match="has 128 tokens"):
        engine.submit(requests_of([prompts[0], [5] * MAX_MODEL_LEN]))
    assert engine.num_unfinished == 0


def test_seeded_prompts_beyond_one_steps_tokens_are_answered(engine, requests_of):
    # 100 prompts of 100 tokens; a step holds 8,192 tokens, and a prompt may not be split.
    rng = np.random.default_rng(1)
    prompts = rng.integers(3, 250, size=(100, 100)).tolist()
    answers = engine.generate(requests_of(prompts, max_tokens=2))
    assert all(answer.token_ids for answer in answers)


def test_greedy_decoding_agrees_with_the_reference_engine_token_by_token(
    engine, model, model_and_path, prompts, requests_of
):
    reference = make_engine(
        "transformers", EngineSettings(model_path=model_and_path[1], max_model_len=MAX_MODEL_LEN)
    )
    reference.start()
    reference.load_weights(model.named_parameters(), 1)
    requests = requests_of(prompts, temperature=0.0)
    for ours, theirs in zip(engine.generate(requests), reference.generate(requests), strict=True):
        assert ours.token_ids == theirs.token_ids
        np.testing.assert_allclose(ours.logp, theirs.logp, atol=TOLERANCE)


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 0.7, "top_k": 5},
        {"top_p": 0.6},
        {"temperature": 1.3, "top_k": 20, "top_p": 0.8},
    ],
)
def test_log_probs_are_those_after_temperature_and_truncation(
    engine, model, prompts, requests_of, reference_logits, sampling
):
    requests = requests_of(prompts, **sampling)
    for request, answer in zip(requests, engine.generate(requests), strict=True):
        logits = reference_logits(model, request.prompt_token_ids, answer.token_ids)
        for row, token_id, logp in zip(logits, answer.token_ids, answer.logp, strict=True):
            expected = float(token_log_probs(row, request.sampling)[token_id])
            assert logp == pytest.approx(expected, abs=TOLERANCE)


def test_mixed_sampling_settings_in_one_batch_keep_their_own_distributions(
    engine, model, prompts, requests_of, reference_logits
):
    requests = [
        *requests_of(prompts[:2], prefix="greedy", temperature=0.0),
        *requests_of(prompts[:2], prefix="sharp", temperature=0.5, top_k=3),
        *requests_of(prompts[:2], prefix="plain"),
    ]
    for request, answer in zip(requests, engine.generate(requests), strict=True):
        logits = reference_logits(model, request.prompt_token_ids, answer.token_ids)
        for row, token_id, logp in zip(logits, answer.token_ids, answer.logp, strict=True):
            expected = float(token_log_probs(row, request.sampling)[token_id])
            assert logp == pytest.approx(expected, abs=TOLERANCE)


def test_the_tokens_that_can_be_drawn_have_probabilities_that_sum_to_one(engine, prompts):
    num_draws = 600
    sampling = SamplingSettings(temperature=0.7, top_k=5, max_tokens=1)
    requests = [GenerationRequest(str(i), prompts[2], sampling, seed=i) for i in range(num_draws)]
    logp, counts = {}, {}
    for answer in engine.generate(requests):
        [token_id] = answer.token_ids
        logp[token_id] = float(answer.logp[0])
        counts[token_id] = counts.get(token_id, 0) + 1
    assert len(logp) == 5
    assert sum(map(math.exp, logp.values())) == pytest.approx(1.0, abs=TOLERANCE)
    for token_id, value in logp.items():
        probability = math.exp(value)
        spread = math.sqrt(probability * (1 - probability) / num_draws)
        assert abs(counts[token_id] / num_draws - probability) < 4 * spread


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda pairs: pairs[:-1], "lacks 1 of"),
        (lambda pairs: [*pairs, ("unknown.weight", torch.ones(2))], "'unknown.weight'"),
        (lambda pairs: [*pairs[:-1], (pairs[-1][0], torch.ones(3))], r"shape \(3,\)"),
    ],
)
def test_a_bad_update_leaves_the_old_weights_in_use(
    engine, model, prompts, requests_of, largest_logp_error, spoil, message
):
    requests = requests_of(prompts)
    version, checksum = engine.weight_version, engine.weights_checksum()
    doubled = [(name, 2 * tensor.detach()) for name, tensor in model.named_parameters()]
    with pytest.raises(EngineError, match=message):
        engine.load_weights(spoil(doubled), version + 1)
    answers = engine.generate(requests)
    assert largest_logp_error(model, requests, answers) < TOLERANCE
    assert (answers[0].weight_version, engine.weights_checksum()) == (version, checksum)


def test_an_update_that_breaks_half_way_is_refused_for_use_and_the_next_one_works(
    engine, model, prompts, requests_of, largest_logp_error, monkeypatch
):
    # One tensor per chunk: the stream breaks with half of the model overwritten, in the middle of a
    # fused projection.
    monkeypatch.setattr(vllm_weights, "chunked", partial(vllm_weights.chunked, max_bytes=1))

    def breaking():
        for name, tensor in model.named_parameters():
            yield name, tensor + 1
            if name.endswith("layers.1.self_attn.v_proj.weight"):
                raise OSError("the Learner went away")

    with pytest.raises(EngineError, match=r"Weight update 9 failed.*the Learner went away"):
        engine.load_weights(breaking(), 9)
    requests = requests_of(prompts)
    with pytest.raises(EngineError, match="call load_weights"):
        engine.generate(requests)
    with pytest.raises(EngineError, match="the last update failed"):
        engine.weights_checksum()
    engine.load_weights(model.named_parameters(), 10)
    assert largest_logp_error(model, requests, engine.generate(requests)) < TOLERANCE


def test_weights_that_change_in_flight_sample_the_tokens_after_them(
    engine, model, requests_of, answers_in_flight, check_two_versions
):
    # Seeded requests with contexts of several blocks, some of which share a prefix in the cache.
    prompts = [[*range(3, 3 + 8 * i), *range(50, 110 - 4 * i)] for i in range(8)]
    requests = requests_of(prompts, max_tokens=40)
    answers, old, version = answers_in_flight(engine, model, requests, num_polls=6)
    models = {version - 1: old, version: model}
    check_two_versions(requests, answers, models, tolerance=TOLERANCE)


def test_what_the_old_weights_cached_serves_no_later_request(
    engine, model, prompts, requests_of, answers_in_flight, largest_logp_error
):
    requests = requests_of(prompts)
    answers_in_flight(engine, model, requests, num_polls=3)
    later = requests_of(prompts, prefix="later")
    assert largest_logp_error(model, later, engine.generate(later)) < TOLERANCE


def test_the_checksum_is_that_of_the_learners_tensors(engine, model, change_weights):
    before = engine.weights_checksum()
    assert before == weights_checksum(model.named_parameters())
    change_weights(model, seed=6)
    engine.load_weights(model.named_parameters(), 600)
    assert engine.weights_checksum() == weights_checksum(model.named_parameters()) != before


SAMPLINGS = [{}, {"temperature": 0.7, "top_k": 5}, {"top_p": 0.6}, {"temperature": 0.0}]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_an_answer_tells_how_uncertain_its_tokens_were_if_it_is_asked(
    engine, model, prompts, requests_of, check_uncertainty, sampling
):
    plain = engine.generate(requests_of(prompts, **sampling))
    requests = requests_of(prompts, with_uncertainty=True, **sampling)
    answers = engine.generate(requests)
    for request, answer in zip(requests, answers, strict=True):
        check_uncertainty(model, request, answer, tolerance=TOLERANCE)
    assert [answer.token_ids for answer in answers] == [answer.token_ids for answer in plain]
    assert all(answer.uncertainty is None for answer in plain)


def test_asked_and_not_asked_share_a_batch(engine, model, prompts, requests_of, check_uncertainty):
    asked = requests_of(prompts[:3], prefix="asked", with_uncertainty=True)
    answers = engine.generate([*asked, *requests_of(prompts[3:])])
    for request, answer in zip(asked, answers, strict=False):
        check_uncertainty(model, request, answer, tolerance=TOLERANCE)
    assert {answer.uncertainty for answer in answers[3:]} == {None}


def test_who_does_not_ask_sends_the_request_of_before(engine, prompts, requests_of):
    plain, asked = requests_of(prompts[:1]), requests_of(prompts[:1], with_uncertainty=True)
    assert engine._sampling_params(plain[0]).logprobs == 0
    assert engine._sampling_params(asked[0]).logprobs == 3


def test_the_second_model_runner_is_refused_with_the_cure():
    with pytest.raises(EngineError, match="VLLM_USE_V2_MODEL_RUNNER=0"):
        add_entropy(object())


def test_a_request_id_in_use_is_refused(engine, prompts, requests_of):
    engine.submit(requests_of(prompts[:1]))
    with pytest.raises(ValueError, match="'r0' is in use"):
        engine.submit(requests_of(prompts[1:2]))


def test_sleep_and_wake_change_nothing_on_a_cpu(engine, prompts, requests_of):
    before = engine.generate(requests_of(prompts))
    engine.sleep()
    engine.wake()
    after = engine.generate(requests_of(prompts))
    assert [a.token_ids for a in before] == [a.token_ids for a in after]


def test_a_running_engine_cannot_start_again(engine):
    with pytest.raises(EngineError, match=r"call stop\(\) before"):
        engine.start()


def test_a_failure_inside_vllm_becomes_an_engine_error_with_its_cause(
    engine, prompts, requests_of, monkeypatch
):
    def broken():
        raise RuntimeError("kernel exploded")

    engine.submit(requests_of(prompts[:1]))
    monkeypatch.setattr(engine._llm, "step", broken)
    with pytest.raises(EngineError, match=r"while generating.*kernel exploded") as raised:
        engine.poll()
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_requests_that_nothing_moves_run_into_the_time_limit(
    engine, prompts, requests_of, monkeypatch
):
    engine.submit(requests_of(prompts[:2]))
    now = [0.0]
    monkeypatch.setattr(engine, "_watchdog", vllm_engine.Watchdog(5.0, clock=lambda: now[0]))
    monkeypatch.setattr(engine, "_step_here", lambda llm: None)
    assert engine.poll() == []
    now[0] = 6.0
    with pytest.raises(EngineError, match=r"no progress for 6 s .* with 2 requests unfinished"):
        engine.poll()


def test_a_folder_without_a_model_is_named(tmp_path):
    engine = make_engine("vllm", EngineSettings(model_path=str(tmp_path), max_model_len=64))
    with pytest.raises(EngineError, match=r"no config.json.*llm\(model_path"):
        engine.start()


def test_a_context_beyond_the_models_says_which_one_it_has(model_and_path):
    settings = EngineSettings(model_path=model_and_path[1], max_model_len=257)
    with pytest.raises(EngineError, match="257 exceeds the model's context of 256"):
        make_engine("vllm", settings).start()


def test_an_unknown_engine_option_is_named_at_the_start(model_and_path):
    settings = EngineSettings(
        model_path=model_and_path[1], max_model_len=64, engine_kwargs={"max_num_sequences": 4}
    )
    with pytest.raises(EngineError, match="max_num_sequences"):
        make_engine("vllm", settings).start()


def test_an_option_that_breaks_the_promises_is_refused_before_the_start():
    settings = EngineSettings(
        model_path="x", max_model_len=64, engine_kwargs={"logprobs_mode": "raw_logprobs"}
    )
    with pytest.raises(ConfigError, match="logprobs_mode"):
        make_engine("vllm", settings)


def test_plugins_may_be_registered_twice():
    vllm_engine.register_plugins()
    vllm_engine.register_plugins()
