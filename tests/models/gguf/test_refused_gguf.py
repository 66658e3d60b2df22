"""Files that cannot be imported: one sentence says what, where, and what to do."""

import sys

import numpy as np
import pytest

pytest.importorskip("gguf", reason="needs the extra gguf")

from gguf import GGMLQuantizationType as Type
from support.models.tiny_gguf import random_matrix

from rllib_gigpo.errors import ConfigError, MissingExtraError
from rllib_gigpo.models.tokenizer import load_tokenizer


def test_a_missing_file_is_refused(tmp_path, import_file):
    with pytest.raises(ConfigError, match=r"none\.gguf cannot be read \(No such file"):
        import_file(tmp_path / "none.gguf")


@pytest.mark.parametrize("content", [b"", b"GG", b"version https://git-lfs"], ids=str)
def test_a_file_of_another_kind_is_refused(content, tmp_path, import_file):
    (tmp_path / "odd.gguf").write_bytes(content)
    with pytest.raises(ConfigError, match=r"odd\.gguf is not a GGUF file: it begins with b"):
        import_file(tmp_path / "odd.gguf")


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.1, 0.2, 0.3, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(share, write, import_file, output):
    source = write()
    content = source.read_bytes()
    source.write_bytes(content[: max(4, int(share * len(content)))])
    with pytest.raises(ConfigError, match=r"damaged or was cut off after [\d,]+ bytes .*copy it"):
        import_file(source)
    assert not output.exists()


def test_an_unknown_architecture_is_refused(write, import_file):
    with pytest.raises(ConfigError, match=r"'hal9000', which transformers .* it reads .*llama"):
        import_file(write(general__architecture="hal9000"))


def test_an_encoder_is_refused(write, import_file):
    with pytest.raises(ConfigError, match=r"tiny\.gguf' as a causal language model"):
        import_file(write(architecture="t5"))


def test_a_type_that_gguf_cannot_dequantise_is_refused(write, import_file):
    counts = ("counts", np.zeros((2, 32), np.int16), Type.I16)
    with pytest.raises(ConfigError, match=r"cannot dequantise \(I16\): update gguf"):
        import_file(write(extra_tensors=[counts]))


def test_a_type_that_gguf_does_not_know_is_refused(write, import_file):
    source = write(extra_tensors=[("marked", random_matrix(7), Type.F32)])
    content = source.read_bytes()
    place = content.index(b"marked") + len(b"marked") + 4 + 8  # dimensions, then their lengths
    source.write_bytes(content[:place] + (250).to_bytes(4, "little") + content[place + 4 :])
    with pytest.raises(ConfigError, match=r"cannot dequantise \(.*250.* is not a valid"):
        import_file(source)


def test_a_part_of_a_model_is_refused(write, import_file):
    with pytest.raises(ConfigError, match=r"one of several parts .*llama-gguf-split --merge"):
        import_file(write(split__count=3))


@pytest.mark.parametrize("missing", ["ggml.model", "ggml.tokens"])
def test_a_file_without_a_tokenizer_is_refused(missing, write, import_file):
    with pytest.raises(ConfigError, match=rf"no tokenizer \(tokenizer\.{missing}\)"):
        import_file(write(without=[missing]))


def test_a_tokenizer_of_an_unknown_kind_is_refused(write, import_file):
    with pytest.raises(ConfigError, match=r"cannot read the tokenizer 'rune' of .*tiny\.gguf"):
        import_file(write(tokenizer__ggml__model="rune"))


def test_a_file_without_a_chat_template_needs_one(write, import_file, output):
    source = write(template=None)
    with pytest.raises(ConfigError, match=r"no chat template, .*--chat-template"):
        import_file(source)
    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}: {{ m['content'] }}<|im_end|>\n"
        "{% endfor %}"
    )
    import_file(source, chat_template=template)
    assert load_tokenizer(output).chat_template == template


@pytest.mark.parametrize("template", ["{% if %}", "{{ raise('no') }}", "no message"])
def test_a_template_that_renders_no_conversation_is_refused(template, write, import_file):
    with pytest.raises(ConfigError, match=r"renders no conversation .*--chat-template"):
        import_file(write(), chat_template=template)


def test_a_tokenizer_that_ends_no_turn_is_refused_with_the_files_name(write, import_file):
    template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} THE END\n{% endfor %}"
    with pytest.raises(ConfigError, match=r"chat template in '\S*tiny\.gguf' closes an answer"):
        import_file(write(), chat_template=template)


def test_scaled_positions_that_transformers_ignores_are_refused(write, import_file):
    with pytest.raises(ConfigError, match=r"scales its positions \(linear\), which transformers"):
        import_file(write(llama__rope__scaling__type="linear"))


@pytest.mark.parametrize("name", ["context_length", "feed_forward_length", "head_count"])
def test_a_missing_number_is_refused_although_transformers_has_a_default(name, write, import_file):
    with pytest.raises(ConfigError, match=rf"incomplete: llama\.\S*{name} is None and not a whole"):
        import_file(write(without=[name]))


def test_settings_that_do_not_fit_the_tensors_are_refused(write, import_file):
    with pytest.raises(ConfigError, match=r"tiny\.gguf does not fit its tensors \(size mismatch"):
        import_file(write(llama__feed_forward_length=64))


@pytest.mark.parametrize("value", [3, [1, 2]])
def test_metadata_of_the_wrong_kind_are_refused(value, write, import_file):
    with pytest.raises(ConfigError, match=r"tokenizer\.chat_template is .* and not a text"):
        import_file(write(tokenizer__chat_template=value))


def test_text_that_is_not_utf_8_is_refused(write, import_file):
    source = write(tokenizer__chat_template="a zebra")
    source.write_bytes(source.read_bytes().replace(b"zebra", b"zebr\xff"))
    with pytest.raises(
        ConfigError, match=r"tokenizer\.chat_template is .* and not a text in UTF-8"
    ):
        import_file(source)


def test_without_gguf_the_error_names_the_extra(write, import_file, monkeypatch):
    source = write()
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r'pip install "rllib-gigpo\[gguf\]"'):
        import_file(source)
