"""An imported model computes what the stored weights say, and runs like any other folder."""

import json

import pytest
import torch

pytest.importorskip("gguf", reason="needs the extra gguf")

from gguf import GGMLQuantizationType as Type
from support.models.tiny_gguf import (
    llama_config,
    llama_cpp_name,
    model_tensors,
    random_model,
    stored_type,
    stored_values,
)
from transformers import Qwen2Config, Qwen3Config

from rllib_gigpo.engines import EngineSettings, GenerationRequest, SamplingSettings, make_engine
from rllib_gigpo.engines.model_facts import read_model_facts
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.causal_lm import load_causal_lm
from rllib_gigpo.models.gguf import imported_model
from rllib_gigpo.models.gguf.import_report import read_import_report
from rllib_gigpo.models.tokenizer import load_tokenizer, save_tokenizer

IDS = torch.arange(3, 60)[None]
QUANTISED = {"token_embd": Type.Q8_0, "attn": Type.Q4_0, "ffn": Type.Q4_1}


def logits_of(model):
    with torch.no_grad():
        return model(input_ids=IDS, use_cache=False).logits


def with_stored_weights(model, kinds):
    """Give a model the weights that remain after they were stored in these types."""
    for name, weights in model_tensors(model):
        if weights.ndim > 1:
            kind = stored_type(llama_cpp_name(name), kinds)
            model.get_parameter(name).data = torch.from_numpy(stored_values(weights, kind))
    return model


@pytest.mark.parametrize("kinds", [{}, QUANTISED, {"": Type.F16}, {"": Type.BF16}], ids=str)
@pytest.mark.parametrize("tied", [True, False])
def test_a_llama_computes_what_its_stored_weights_say(
    kinds, tied, write, import_file, output, tokenizer
):
    model = random_model(llama_config(tokenizer, tie_word_embeddings=tied))
    report = import_file(write(model, kinds=kinds))
    expected = with_stored_weights(model, kinds)
    torch.testing.assert_close(logits_of(load_causal_lm(output)), logits_of(expected))
    assert report.num_tensors == len(list(model.named_parameters())) == (20 if tied else 21)
    assert (report.largest_deviation, report.largest_rounding) == (0.0, 0.0)
    assert (read_model_facts(str(output)).tied_head is not None) == tied


SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}


@pytest.mark.parametrize(
    ("architecture", "config_class", "changes"),
    [
        ("qwen2", Qwen2Config, {}),
        ("qwen3", Qwen3Config, {"head_dim": 128}),
    ],
)
def test_other_families_compute_what_their_stored_weights_say(
    architecture, config_class, changes, write, import_file, output, tokenizer
):
    settings = {"vocab_size": len(tokenizer), "tie_word_embeddings": False, **SMALL, **changes}
    model = random_model(config_class(**settings))
    import_file(write(model, architecture=architecture, kinds=QUANTISED))
    expected = with_stored_weights(model, QUANTISED)
    torch.testing.assert_close(logits_of(load_causal_lm(output)), logits_of(expected))


def test_bfloat16_rounds_and_the_report_says_how_much(write, import_file, output):
    report = import_file(write(kinds=QUANTISED), dtype="bfloat16")
    assert report.largest_deviation == 0.0
    assert 1e-5 < report.largest_rounding < 0.01
    assert json.loads((output / "config.json").read_text())["dtype"] == "bfloat16"
    half = (output / "model.safetensors").stat().st_size
    assert report.num_bytes == half < 2.3 * report.num_parameters


def test_the_folder_is_plain_and_complete(write, import_file, output):
    said = {"license": "apache-2.0", "organization": "Tiny | Lab", "name": "Tiny"}
    import_file(write(**{f"general__{key}": value for key, value in said.items()}))
    names = "README.md config.json generation_config.json import.json model.safetensors"
    assert sorted(path.name for path in output.iterdir()) == sorted(
        [*names.split(), "tokenizer.json", "tokenizer_config.json"]
    )
    config = json.loads((output / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert not {"quantization_config", "_name_or_path", "_model_name_or_path"} & set(config)
    note = (output / "README.md").read_text()
    assert note.startswith('---\nlicense: "apache-2.0"\n---\n')
    assert "| organization | Tiny \\| Lab |" in note
    assert {path.stat().st_mode & 0o777 for path in output.iterdir()} == {0o644}


def test_without_a_licence_the_note_says_so(write, import_file, output):
    import_file(write())
    assert "names no licence" in (output / "README.md").read_text()


def test_the_end_of_a_turn_stops_a_response_even_if_the_file_names_another_end(
    write, import_file, output, tokenizer
):
    pad, end = tokenizer.pad_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")
    import_file(write(tokenizer__ggml__eos_token_id=pad))
    assert read_model_facts(str(output)).stop_token_ids == sorted([pad, end])
    generation = json.loads((output / "generation_config.json").read_text())
    assert generation["eos_token_id"] == sorted([pad, end])


def test_the_tokenizer_gives_the_same_ids_and_prompts(write, import_file, output, tokenizer):
    import_file(write())
    imported = load_tokenizer(output)
    text = "goal: take 12 coins\n\n  3 left<|im_end|>"
    assert imported(text)["input_ids"] == tokenizer(text)["input_ids"]
    message = [{"role": "user", "content": "go east"}]
    assert "<|im_start|>user\ngo east<|im_end|>" in imported.apply_chat_template(
        message, tokenize=False
    )
    assert imported.model_max_length == 256


def test_a_tokenizer_that_opens_as_another_one_is_refused(write, import_file, output, monkeypatch):
    def without_merges(tokenizer, folder):
        save_tokenizer(tokenizer, folder)
        file = folder / "tokenizer.json"
        content = json.loads(file.read_text())
        content["model"]["merges"] = []
        file.write_text(json.dumps(content))

    monkeypatch.setattr(imported_model, "save_tokenizer", without_merges)
    with pytest.raises(ConfigError, match=r"tiny\.gguf gives other tokens once it is saved"):
        import_file(write())
    assert not output.exists()


def test_a_tokenizer_that_keeps_digits_alone_splits_before_them(write, import_file, output):
    import_file(write(split="smollm"))
    pieces = load_tokenizer(output).backend_tokenizer.pre_tokenizer.pre_tokenize_str("a\n\n12")
    assert [piece for piece, _ in pieces] == ["a", "ĊĊ", "1", "2"]


def test_a_split_that_transformers_does_not_know_is_a_warning(write, import_file):
    report = import_file(write(split="klingon"))
    assert "how the tokenizer 'klingon' splits words" in report.warnings[0]


def test_an_untrained_model_is_a_warning_and_no_error(write, import_file):
    report = import_file(write())
    assert report.bits_per_byte > 3
    assert "bits per byte of English are more than 1.5" in report.lines()[-1]


def test_the_reference_engine_generates_with_it(write, import_file, output):
    import_file(write(kinds=QUANTISED))
    engine = make_engine("transformers", EngineSettings(model_path=str(output), max_model_len=64))
    engine.start()
    engine.load_weights(load_causal_lm(output).named_parameters(), 0)
    request = GenerationRequest("r0", [5, 6, 7], SamplingSettings(max_tokens=4), seed=0)
    [answer] = engine.generate([request])
    engine.stop()
    assert 1 <= len(answer.token_ids) <= 4


def test_files_next_to_the_gguf_file_do_not_count(write, import_file, output, tokenizer):
    source = write()
    (source.parent / "generation_config.json").write_text('{"eos_token_id": 99}')
    (source.parent / "config.json").write_text('{"model_type": "gpt2"}')
    (source.parent / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    import_file(source)
    assert read_model_facts(str(output)).stop_token_ids == [tokenizer.eos_token_id]
    assert "im_start" in load_tokenizer(output).chat_template


def test_the_same_import_again_does_nothing(write, import_file, output):
    source = write()
    report = import_file(source)
    (output / "model.safetensors").unlink()
    assert import_file(source) == report == read_import_report(output)
    assert not (output / "model.safetensors").exists()


@pytest.mark.parametrize("settings", [{"dtype": "bfloat16"}, {"chat_template": "{{ 1 }}"}], ids=str)
def test_another_import_or_folder_is_never_overwritten(settings, write, import_file, output):
    source = write()
    import_file(source)
    with pytest.raises(ConfigError, match="holds something other than this import"):
        import_file(source, **settings)


def test_an_empty_output_folder_is_filled(write, import_file, output):
    output.mkdir(parents=True)
    import_file(write())
    assert (output / "config.json").is_file()


def test_a_failed_import_leaves_nothing(write, import_file, output, monkeypatch):
    monkeypatch.setattr(imported_model, "write_note", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_file(write())
    assert list(output.parent.iterdir()) == []
