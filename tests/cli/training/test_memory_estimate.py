from types import SimpleNamespace
from typing import Any

import pytest

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.cli.training import memory_estimate
from rllib_gigpo.cli.training.dry_run import size_text
from rllib_gigpo.config.sections import Settings
from rllib_gigpo.models.hardware.pass_memory import ModelShape, model_shape

# Qwen2.5-0.5B: 494 M parameters, 24 layers, width 896, 14 heads of 64, 2 key/value heads.
SHAPE = ModelShape(
    num_parameters=494_000_000,
    num_layers=24,
    hidden_size=896,
    intermediate_size=4864,
    num_heads=14,
    num_kv_heads=2,
    head_dim=64,
    vocab_size=151_936,
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Return a function that makes the settings of a run; the estimate reads only the numbers."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text('{"model_type": "qwen2", "max_position_embeddings": 4096}')
    defaults: dict[str, Any] = {
        "model_path": str(folder),
        "env": "unused",
        "autocast_dtype": "bfloat16",
        "engine_dtype": "bfloat16",
        "micro_batch_tokens": 1000,
        "max_prompt_tokens": 2048,
        "max_response_tokens": 512,
    }

    def make(**changes: Any) -> Settings:
        return GiGPOConfig().update_from_dict({**defaults, **changes}).settings

    return make


def test_the_parts_of_a_learner_are_multiples_of_the_parameters(settings):
    parts = memory_estimate.learner_memory(SHAPE, settings())

    assert parts["weights"] == parts["gradients"] == parts["reference model"] == 1_976_000_000
    assert parts["optimiser"] == 3_952_000_000
    assert parts["gradient buckets of DDP"] == 0
    assert parts["logits of a chunk"] == 3 * 1024 * 151_936 * 4


def test_adapters_cost_what_is_trained_and_no_reference(settings):
    parts = memory_estimate.learner_memory(SHAPE, settings(lora={"rank": 8}))

    # Per layer and rank: q and o 896 + 896, k and v 896 + 128, three of 896 + 4864.
    numbers = 8 * 24 * (2 * 1792 + 2 * 1024 + 3 * 5760)
    assert memory_estimate.adapter_parameters(SHAPE, 8) == numbers
    assert parts["gradients"] == 4 * numbers
    assert parts["optimiser"] == 8 * numbers
    assert parts["weights"] == 4 * (494_000_000 + numbers)
    assert parts["reference model"] == 0


def test_a_process_reward_model_is_kept_but_has_passes_of_its_own(settings):
    plain = memory_estimate.learner_memory(SHAPE, settings())
    found = memory_estimate.learner_memory(SHAPE, settings(process_reward=True, rule="istar"))
    assert plain["process reward model"] == 0
    assert found["process reward model"] == 4 * plain["weights"]
    assert found["activations"] == plain["activations"]


def test_a_critic_of_its_own_costs_a_second_model(settings):
    plain = memory_estimate.learner_memory(SHAPE, settings())
    with_critic = memory_estimate.learner_memory(SHAPE, settings(critic="model", rule="ppo"))
    with_head = memory_estimate.learner_memory(SHAPE, settings(critic="head", rule="ppo"))

    assert plain["critic model"] == with_head["critic model"]
    assert with_critic["critic model"] == 4 * plain["weights"]
    assert with_critic["activations"] == 2 * plain["activations"]


def test_parts_that_a_config_does_without_cost_nothing(settings):
    parts = memory_estimate.learner_memory(
        SHAPE, settings(optim="sgd", kl_coeff=0.0), num_learners=2
    )

    assert parts["optimiser"] == 0
    assert parts["reference model"] == 0
    assert parts["gradient buckets of DDP"] == 1_976_000_000


def test_activations_by_hand(settings):
    # Per token and layer 6*896 + 2*(14+2)*64 + 4*4864 = 26,880 numbers of 2 bytes.
    whole = memory_estimate.learner_memory(SHAPE, settings())["activations"]
    assert whole == 1000 * 24 * 26_880 * 2
    # With checkpointing: 24 layer inputs, and the activations of one layer.
    config = settings(gradient_checkpointing=True)
    assert (
        memory_estimate.learner_memory(SHAPE, config)["activations"]
        == 1000 * (24 * 896 + 26_880) * 2
    )


def test_the_kv_cache_holds_every_episode_of_a_runner(settings):
    # 128 episodes on 2 runners, 2,560 tokens each; a token takes 2*24*2*64 numbers of 2 bytes.
    parts = memory_estimate.engine_memory(SHAPE, settings(), num_env_runners=2)

    assert parts["weights"] == 988_000_000
    assert parts["KV cache, all episodes at once"] == 64 * 2560 * 12_288


def test_a_bound_on_episodes_and_tensor_parallelism_divide_the_cache(settings):
    config = settings(max_concurrent_episodes=16, tensor_parallel_size=2)

    parts = memory_estimate.engine_memory(SHAPE, config, num_env_runners=2)

    assert parts["weights"] == 494_000_000
    assert parts["KV cache, all episodes at once"] == 16 * 2560 * 12_288 // 2


def test_a_shape_is_read_from_a_hugging_face_configuration():
    text = SimpleNamespace(
        num_hidden_layers=2, hidden_size=64, num_attention_heads=4, vocab_size=100
    )
    shape = model_shape(SimpleNamespace(get_text_config=lambda: text), 7)

    assert shape == ModelShape(7, 2, 64, 256, 4, 4, 16, 100)


@pytest.mark.parametrize(
    ("size", "text"), [(3 * 2**29, "1.5 GiB"), (12 * 2**20, "12.0 MiB"), (512, "0.5 KiB")]
)
def test_sizes_are_read_in_the_largest_unit(size, text):
    assert size_text(size) == text
