"""Fixtures: tiny real models, and an independent reference for the engines' log-probs."""

import copy

import numpy as np
import pytest
import torch

from rllib_gigpo.engines import GenerationRequest, SamplingSettings
from rllib_gigpo.engines.token_distribution import token_log_probs
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer

MAX_MODEL_LEN = 128


def _save_model(folder, *, tied):
    tokenizer = build_tokenizer(["go north", "take the coin"], 300)
    model = build_model(
        tokenizer,
        hidden_size=64,
        num_layers=2,
        num_heads=2,
        tie_word_embeddings=tied,
        max_position_embeddings=256,
    ).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, str(folder)


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def model_and_path(request, tmp_path_factory):
    """A model in transformers, and the folder that an engine starts from."""
    return _save_model(tmp_path_factory.mktemp("model"), tied=request.param)


@pytest.fixture(scope="module")
def tied_model_and_path(tmp_path_factory):
    return _save_model(tmp_path_factory.mktemp("tied"), tied=True)


@pytest.fixture
def prompts():
    """Return eight prompts of 5 to 40 tokens, without special tokens."""
    rng = np.random.default_rng(0)
    return [rng.integers(3, 250, size=5 + 5 * i).tolist() for i in range(8)]


@pytest.fixture
def requests_of():
    """Return a function that builds one request per prompt, with seeds 0, 1, ..."""

    def build(prompts, *, prefix="r", with_uncertainty=False, **sampling):
        settings = SamplingSettings(**{"max_tokens": 12, **sampling})
        return [
            GenerationRequest(
                f"{prefix}{i}", prompt, settings, seed=i, with_uncertainty=with_uncertainty
            )
            for i, prompt in enumerate(prompts)
        ]

    return build


@pytest.fixture
def drain():
    """Return a function that polls an engine to the end and returns answers by request id."""

    def run(engine):
        answers = {}
        while engine.num_unfinished:
            answers.update((generation.request_id, generation) for generation in engine.poll())
        return answers

    return run


@pytest.fixture
def reference_logits():
    """Return a function for the response tokens' logits: one forward pass, no cache or batch."""

    @torch.no_grad()
    def compute(model, prompt, response):
        logits = model(torch.tensor([[*prompt, *response]])).logits[0]
        return logits[len(prompt) - 1 : -1]

    return compute


@pytest.fixture
def largest_logp_error(reference_logits):
    """Return a function for the largest difference to transformers' log-probs (temperature 1)."""

    def compute(model, requests, answers):
        errors = []
        for request, answer in zip(requests, answers, strict=True):
            logits = reference_logits(model, request.prompt_token_ids, answer.token_ids)
            logp = logits.log_softmax(-1)[range(len(answer.token_ids)), answer.token_ids]
            errors.append(np.abs(logp.numpy() - answer.logp).max())
        return max(errors)

    return compute


@pytest.fixture
def check_uncertainty(reference_logits):
    """Return a check of an answer's uncertainty against transformers, token by token."""

    def check(model, request, answer, *, tolerance):
        found = answer.uncertainty
        logits = reference_logits(model, request.prompt_token_ids, answer.token_ids)
        for number, row in enumerate(logits):
            p = np.sort(token_log_probs(row, request.sampling).exp().double().numpy())[::-1]
            entropy = -sum(x * np.log(x) for x in p if x > 0)
            assert found.entropy[number] == pytest.approx(entropy, abs=tolerance)
            np.testing.assert_allclose(np.exp(found.top_logp[number]), p[:2], atol=tolerance)
        assert found.vocab_size == logits.shape[-1]
        assert found.entropy.shape == (len(answer.token_ids),)
        assert (found.entropy.dtype, found.top_logp.dtype) == (np.float32, np.float32)

    return check


@pytest.fixture
def answers_in_flight(change_weights, drain):
    """Return a function that changes the weights while an engine answers requests.

    It returns the answers, the model before the change and the version after it.
    """

    def run(engine, model, requests, *, num_polls):
        old, version = copy.deepcopy(model), engine.weight_version + 1
        engine.submit(requests)
        done = [answer for _ in range(num_polls) for answer in engine.poll()]
        change_weights(model, seed=3)
        engine.load_weights(model.named_parameters(), version)
        answers = {answer.request_id: answer for answer in done} | drain(engine)
        return [answers[request.request_id] for request in requests], old, version

    return run


@pytest.fixture
def check_two_versions(reference_logits):
    """Return a check that each token has the log-prob of the weights that its version names."""

    def check(requests, answers, models, *, tolerance):
        """``models`` is version -> model."""
        seen = set()
        for request, answer in zip(requests, answers, strict=True):
            versions = answer.token_versions
            assert (np.diff(versions) >= 0).all()
            assert answer.weight_version == versions.min()
            seen.add(len(set(versions.tolist())))
            for version, model in models.items():
                logits = reference_logits(model, request.prompt_token_ids, answer.token_ids)
                logp = logits.log_softmax(-1)[range(len(versions)), answer.token_ids].numpy()
                of_version = versions == version
                np.testing.assert_allclose(
                    answer.logp[of_version], logp[of_version], rtol=0, atol=tolerance
                )
        assert 2 in seen  # some answers have both

    return check


@pytest.fixture
def change_weights():
    """Return a function that changes all weights of a model, like a large optimiser step."""

    @torch.no_grad()
    def change(model, *, seed):
        generator = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))

    return change
