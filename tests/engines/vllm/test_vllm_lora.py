"""A LoRA adapter loaded into a running vLLM engine, against peft's layers in transformers."""

import copy

import pytest
import torch

from rllib_gigpo.engines import EngineSettings, make_engine
from rllib_gigpo.errors import ConfigError, EngineError
from rllib_gigpo.models.lora import adapter_weights, add_lora
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.weights.checksum import weights_checksum

pytest.importorskip("rllib_gigpo.engines.vllm.vllm_lora")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the engine in this process")

TOLERANCE = 1e-5
LORA = LoraSettings(rank=4, alpha=8, sync="adapter")


@pytest.fixture(scope="module")
def started(model_and_path):
    base, path = model_and_path
    engine = make_engine("vllm", EngineSettings(model_path=path, max_model_len=128, lora=LORA))
    engine.start()
    yield base, engine
    engine.stop()


@pytest.fixture
def engine(started):
    return started[1]


@pytest.fixture
def policy(started):
    """Return the base model with adapters."""
    model = copy.deepcopy(started[0])
    add_lora(model, LORA)
    return model


def randomize(model, *, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)


def test_log_probs_equal_transformers_before_and_after_two_updates(
    engine, policy, prompts, requests_of, largest_logp_error
):
    requests = requests_of(prompts)
    before = engine.generate(requests)
    assert largest_logp_error(policy, requests, before) < TOLERANCE
    for seed in (1, 2):
        randomize(policy, seed=seed)
        engine.load_weights(adapter_weights(policy), seed)
        answers = engine.generate(requests)
        assert largest_logp_error(policy, requests, answers) < TOLERANCE
        assert largest_logp_error(policy, requests, before) > 0.01
        assert {answer.weight_version for answer in answers} == {seed}
        before = answers


def test_the_checksum_is_that_of_the_adapter(engine, policy):
    for seed in (3, 4):
        randomize(policy, seed=seed)
        engine.load_weights(adapter_weights(policy), seed)
        assert engine.weights_checksum() == weights_checksum(adapter_weights(policy))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda pairs: [], "lacks 28 tensors"),
        (lambda pairs: pairs[:-2], "lacks 2 tensors"),
        (lambda pairs: pairs[1:], "without its lora_A"),
        (lambda pairs: [*pairs, ("lm_head.weight", torch.ones(2))], "not part of an adapter"),
    ],
)
def test_a_bad_update_leaves_the_old_adapter_in_use(
    engine, policy, prompts, requests_of, largest_logp_error, spoil, message
):
    randomize(policy, seed=5)
    engine.load_weights(adapter_weights(policy), 5)
    doubled = [(name, 2 * value.detach()) for name, value in adapter_weights(policy)]
    with pytest.raises(EngineError, match=message):
        engine.load_weights(spoil(doubled), 6)
    requests = requests_of(prompts)
    answers = engine.generate(requests)
    assert largest_logp_error(policy, requests, answers) < TOLERANCE
    assert answers[0].weight_version == 5


def test_the_files_of_the_adapter_go_with_the_engine(tied_model_and_path, policy):
    settings = EngineSettings(model_path=tied_model_and_path[1], max_model_len=128, lora=LORA)
    engine = make_engine("vllm", settings)
    engine.start()
    folder = engine._weights._folder
    assert folder.is_dir()
    engine.stop()
    assert not folder.exists()


def test_the_transformers_engine_refuses_an_adapter(tied_model_and_path):
    settings = EngineSettings(model_path=tied_model_and_path[1], max_model_len=128, lora=LORA)
    with pytest.raises(ConfigError, match="sync='merged'"):
        make_engine("transformers", settings)
