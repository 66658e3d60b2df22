"""Names and shapes of a model's tensors in its checkpoint, by transformers' own way back."""

import copy

import pytest
import torch
import transformers
from safetensors.torch import load_file

from rllib_gigpo.models.checkpoint_names import CheckpointNames
from rllib_gigpo.models.model_adapter import ModelAdapter
from rllib_gigpo.models.weight_files import tensor_shapes

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
CONFIGS = {
    "qwen2": transformers.Qwen2Config(**SIZES, tie_word_embeddings=True),
    "qwen3_moe": transformers.Qwen3MoeConfig(**SIZES, **EXPERTS),
    "mixtral": transformers.MixtralConfig(**SIZES, num_local_experts=4),
    "gpt_neox": transformers.GPTNeoXConfig(**SIZES),
    "gemma3": transformers.Gemma3Config(
        text_config={**SIZES, "model_type": "gemma3_text", "head_dim": 16},
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "image_size": 28,
            "patch_size": 14,
        },
        mm_tokens_per_image=1,
    ),
}


@pytest.fixture(params=CONFIGS)
def saved(request, tmp_path):
    """Return a model and the folder that it was saved to."""
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(copy.deepcopy(CONFIGS[request.param]))
    model.save_pretrained(tmp_path)
    return model, tmp_path


def test_the_weights_are_those_of_the_files(saved):
    model, folder = saved
    files = load_file(folder / "model.safetensors")
    sent = dict(ModelAdapter(model).weights())
    for name, tensor in files.items():
        assert torch.equal(sent[name], tensor), name
    # Of a tied model the head is sent too.
    is_tied = model.config.get_text_config().tie_word_embeddings
    assert len(sent) - len(files) == int(is_tied)
    assert CheckpointNames(model).shapes.keys() == sent.keys()


def test_a_model_on_the_meta_device_knows_the_names(saved):
    model, folder = saved
    with torch.device("meta"):
        twin = transformers.AutoModelForCausalLM.from_config(model.config)
    shapes = CheckpointNames(twin).shapes
    assert {name: shapes[name] for name in tensor_shapes(folder)} == tensor_shapes(folder)


def test_tensors_of_the_checkpoint_are_loaded_back(saved):
    model, folder = saved
    other = transformers.AutoModelForCausalLM.from_config(copy.deepcopy(model.config))
    CheckpointNames(other).load(other, load_file(folder / "model.safetensors"))
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def test_only_tensors_that_are_split_are_asked_for_as_a_whole():
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS["qwen3_moe"])
    asked = []

    def whole(tensor):
        asked.append(tuple(tensor.shape))
        return tensor

    dict(ModelAdapter(model).weights(whole=whole))
    assert asked == [(4, 48, 32), (4, 32, 24)] * 2


@pytest.mark.parametrize(
    ("kind", "head", "embedding"),
    [
        ("qwen2", "lm_head.weight", "model.embed_tokens.weight"),
        ("gpt_neox", "embed_out.weight", "gpt_neox.embed_in.weight"),
        ("gemma3", "language_model.lm_head.weight", "language_model.model.embed_tokens.weight"),
    ],
)
def test_the_head_and_the_embedding_have_their_names(kind, head, embedding):
    model = transformers.AutoModelForCausalLM.from_config(copy.deepcopy(CONFIGS[kind]))
    names = CheckpointNames(model)
    assert names.weight_of(model.get_input_embeddings()) == embedding
    assert names.weight_of(model.get_output_embeddings()) == head


@pytest.mark.parametrize(("kind", "are_own"), [("qwen2", True), ("mixtral", False)])
def test_only_converted_models_have_other_names(kind, are_own):
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[kind])
    assert (CheckpointNames(model).shapes.keys() == model.state_dict().keys()) == are_own
