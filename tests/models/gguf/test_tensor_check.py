"""The comparison with gguf's own reading finds what transformers may get wrong."""

import numpy as np
import pytest
import torch

pytest.importorskip("gguf", reason="needs the extra gguf")

from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file, save_file
from support.models.tiny_gguf import (
    llama_config,
    llama_cpp_name,
    model_tensors,
    permute,
    random_matrix,
    random_model,
)
from transformers import Gemma3TextConfig
from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.gguf.gguf_file import open_gguf
from rllib_gigpo.models.gguf.stored_layout import as_in_transformers, unpaired_rows
from rllib_gigpo.models.gguf.tensor_check import check_tensors


def test_rows_return_to_transformers_order():
    # Two heads of four rows: llama.cpp stores the pairs (0, 2) and (1, 3) next to each other.
    stored = np.array([0, 2, 1, 3, 4, 6, 5, 7])
    assert unpaired_rows(stored, 2).tolist() == list(range(8))


@pytest.mark.parametrize("shape", [(24, 5), (24,)])
@pytest.mark.parametrize("num_heads", [1, 2, 3])
def test_it_undoes_the_permutation_of_the_converter(shape, num_heads):
    weights = random_matrix(*shape)
    np.testing.assert_array_equal(unpaired_rows(permute(weights, num_heads), num_heads), weights)


def test_gemmas_norms_are_stored_plus_one(write, tokenizer):
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    model = random_model(config)
    file = open_gguf(write(model, architecture="gemma3"))
    for name, weights in model_tensors(model):
        read = as_in_transformers(file, llama_cpp_name(name, "gemma3"))
        np.testing.assert_allclose(read, weights, atol=1e-6)


def test_a_permutation_that_is_not_undone_is_refused(write, import_file, output, monkeypatch):
    def as_stored(self, weights, *heads):
        return weights

    monkeypatch.setattr(LlamaTensorProcessor, "_reverse_permute_weights", as_stored)
    with pytest.raises(ConfigError, match=r"self_attn\.[qk]_proj\.weight differs by up to"):
        import_file(write())
    assert not output.exists()


def test_key_heads_undone_as_query_heads_are_refused(write, import_file, monkeypatch):
    right = LlamaTensorProcessor._reverse_permute_weights
    monkeypatch.setattr(
        LlamaTensorProcessor,
        "_reverse_permute_weights",
        lambda self, weights, num_heads, kv_heads: right(self, weights, num_heads, num_heads),
    )
    with pytest.raises(ConfigError, match=r"self_attn\.k_proj\.weight differs by up to"):
        import_file(write())


def test_a_file_without_a_number_of_key_heads_is_refused_because_transformers_misreads_it(
    write, import_file, tokenizer
):
    model = random_model(llama_config(tokenizer, num_key_value_heads=4))
    with pytest.raises(ConfigError, match=r"differs by up to .* misreads this 'llama' file"):
        import_file(write(model, without=["head_count_kv"]))


@pytest.mark.parametrize("name", ["model.norm.weight", "model.embed_tokens.weight"])
def test_one_changed_number_is_found(name, write, import_file, output):
    source = write(kinds={"token_embd": Type.Q8_0})
    import_file(source)
    weights = load_file(output / "model.safetensors")
    assert check_tensors(output, open_gguf(source)).num_tensors == 20
    weights[name].view(-1)[3] += 0.01
    save_file(weights, output / "model.safetensors")
    with pytest.raises(ConfigError, match=rf"{name} differs by up to 0\.01"):
        check_tensors(output, open_gguf(source))


def test_a_number_that_is_none_is_found(write, import_file, output):
    source = write()
    import_file(source)
    weights = load_file(output / "model.safetensors")
    weights["model.norm.weight"][0] = torch.nan
    save_file(weights, output / "model.safetensors")
    with pytest.raises(ConfigError, match="differs by up to nan"):
        check_tensors(output, open_gguf(source))


def test_a_tensor_of_another_shape_is_found(write, import_file, output):
    source = write()
    import_file(source)
    weights = load_file(output / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"][:32].clone()
    save_file(weights, output / "model.safetensors")
    with pytest.raises(ConfigError, match=r"shape \[32\] instead of \[64\]"):
        check_tensors(output, open_gguf(source))


def test_a_tensor_without_a_counterpart_is_found(write, import_file, output):
    source = write()
    import_file(source)
    weights = load_file(output / "model.safetensors")
    save_file({**weights, "model.extra.weight": torch.ones(2)}, output / "model.safetensors")
    with pytest.raises(ConfigError, match=r"no tensor to compare with 1 .*model\.extra\.weight"):
        check_tensors(output, open_gguf(source))


def test_a_tensor_that_transformers_would_ignore_is_refused(write, import_file, output):
    # Llama 3.1 stores the factors of its positions like this.
    factors = ("rope_freqs.weight", np.ones(8, np.float32), Type.F32)
    with pytest.raises(ConfigError, match=r"1 tensors that transformers does not read \(rope_fr"):
        import_file(write(extra_tensors=[factors]))
    assert not output.exists()
