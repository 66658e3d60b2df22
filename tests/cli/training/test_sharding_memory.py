"""The memory of a Learner for every way to share a model: Qwen2.5 on GPUs of 80 GB."""

import functools

import pytest
import transformers

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.cli.training.sharding_memory import (
    Groups,
    Layout,
    advice,
    memory_of,
    table,
)
from rllib_gigpo.models.causal_lm import meta_causal_lm
from rllib_gigpo.models.hardware.pass_memory import model_shape

GPU_BYTES = 80e9
# hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, intermediate_size,
# vocab_size, tie_word_embeddings; from the models' config.json.
SIZES = {
    "1.5B": (1536, 28, 12, 2, 8960, 151_936, True),
    "7B": (3584, 28, 28, 4, 18_944, 152_064, False),
    "32B": (5120, 64, 40, 8, 27_648, 152_064, False),
}
NAMES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "vocab_size",
    "tie_word_embeddings",
)
PARAMETERS = {"1.5B": 1_543_714_304, "7B": 7_615_616_512, "32B": 32_763_876_352}


@functools.cache
def qwen(size):
    """Return the shape and the groups of a model, from its configuration alone."""
    config = transformers.Qwen2Config(**dict(zip(NAMES, SIZES[size], strict=True)))
    model = meta_causal_lm(config)
    return model_shape(config, sum(one.numel() for one in model.parameters())), Groups.of(model)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Return a function that makes the settings of a run on GPUs."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text('{"model_type": "qwen2", "max_position_embeddings": 4096}')

    def make(**changes):
        defaults = {
            "model_path": str(folder),
            "env": "unused",
            "autocast_dtype": "bfloat16",
            "kl_coeff": 0.0,
            "micro_batch_tokens": 4096,
            "max_prompt_tokens": 2048,
            "max_response_tokens": 512,
        }
        return GiGPOConfig().update_from_dict({**defaults, **changes}).settings

    return make


@pytest.mark.parametrize("size", SIZES)
def test_the_groups_hold_every_parameter_once(size):
    shape, groups = qwen(size)
    assert shape.num_parameters == PARAMETERS[size]
    assert groups.outermost + shape.num_layers * groups.layer == shape.num_parameters


def test_shards_by_hand(settings):
    shape, groups = qwen("7B")
    found = memory_of(Layout(4, "fsdp2"), shape, groups, settings())
    quarter = shape.num_parameters  # 4 bytes on 4 Learners
    assert found.gpu["weights"] == found.gpu["gradients"] == quarter
    assert found.gpu["optimiser"] == 2 * quarter
    # The embedding and the head are not tied: 2 * 152,064 * 3,584, and the last norm.
    assert groups.outermost == 2 * 152_064 * 3584 + 3584
    assert found.gpu["gathered layers"] == 2 * (groups.outermost + 2 * groups.layer)
    assert found.host == {}


def test_with_offload_the_shards_are_in_the_hosts_memory(settings):
    shape, groups = qwen("7B")
    on_gpu = memory_of(Layout(4, "fsdp2"), shape, groups, settings())
    offloaded = memory_of(Layout(4, "fsdp2", cpu_offload=True), shape, groups, settings())
    assert sum(offloaded.host.values()) == 4 * shape.num_parameters
    assert offloaded.total == on_gpu.total - 4 * shape.num_parameters


def test_a_reference_and_a_critic_are_shared_too(settings):
    shape, groups = qwen("1.5B")
    found = memory_of(
        Layout(2, "fsdp2"), shape, groups, settings(kl_coeff=0.1, critic="model", rule="ppo")
    )
    half = 2 * shape.num_parameters  # 4 bytes on 2 Learners
    assert found.gpu["reference model"] == half
    assert found.gpu["critic model"] == 4 * half


def test_a_process_reward_model_is_shared_too(settings):
    shape, groups = qwen("1.5B")
    changed = settings(process_reward=True, rule="istar")
    found = memory_of(Layout(2, "fsdp2"), shape, groups, changed)
    assert found.gpu["process reward model"] == 4 * 2 * shape.num_parameters


def test_copies_hold_everything(settings):
    shape, groups = qwen("1.5B")
    alone, copy = (memory_of(Layout(number), shape, groups, settings()).gpu for number in (1, 8))
    assert copy["gradient buckets of DDP"] == 4 * shape.num_parameters
    assert alone == {**copy, "gradient buckets of DDP": 0}


@pytest.mark.parametrize(
    ("size", "layout", "change"),
    [
        ("1.5B", Layout(1), None),
        (
            "7B",
            Layout(1),
            "set learners(num_learners=2, sharding='fsdp2', num_gpus_per_learner=1).",
        ),
        ("7B", Layout(8, "fsdp2"), None),
        ("32B", Layout(2), "num_learners=2, sharding={'name': 'fsdp2', 'cpu_offload': True}"),
        ("32B", Layout(8, "fsdp2", cpu_offload=True), None),
    ],
)
def test_the_setting_to_change_is_named_and_then_it_fits(settings, size, layout, change):
    shape, groups = qwen(size)
    config = settings(gradient_checkpointing=True)
    found = advice(layout, shape, groups, config, GPU_BYTES)
    if change is None:
        assert found is None
        assert memory_of(layout, shape, groups, config).fits(GPU_BYTES)
    else:
        assert change in found
        assert not memory_of(layout, shape, groups, config).fits(GPU_BYTES)


def test_bfloat16_weights_fit_in_shards_on_eight_gpus(settings):
    """As docs/large_models.md says."""
    shape, groups = qwen("32B")
    config = settings(dtype="bfloat16", autocast_dtype=None, gradient_checkpointing=True)
    assert memory_of(Layout(8, "fsdp2"), shape, groups, config).fits(GPU_BYTES)
    assert not memory_of(Layout(4, "fsdp2"), shape, groups, config).fits(GPU_BYTES)


def test_a_pass_that_takes_less_comes_first(settings):
    shape, groups = qwen("7B")
    config = settings(micro_batch_tokens=16384)
    found = advice(Layout(4, "fsdp2"), shape, groups, config, GPU_BYTES)
    assert found.endswith("set llm(gradient_checkpointing=True).")


def test_a_model_that_fits_no_sharding_is_told_in_a_sentence(settings):
    shape, groups = qwen("32B")
    found = advice(Layout(8, "fsdp2"), shape, groups, settings(), 8e9)
    assert "no sharding over up to 8 GPUs holds it: use a smaller model" in found
    assert found.count(". ") == 0


def test_the_table_has_a_line_for_every_layout(settings):
    lines = table(*qwen("7B"), settings(), GPU_BYTES)
    assert max(map(len, lines)) <= 130
    assert [line.split("  ")[0] for line in map(str.strip, lines[1:])] == [
        "1 GPU",
        *(
            f"{number} GPUs, {kind}"
            for number in (2, 4, 8)
            for kind in ("ddp", "fsdp2", "fsdp2, offload")
        ),
    ]
