"""Fixtures: a function that writes a tiny GGUF file, and one that imports it."""

import pytest


@pytest.fixture(scope="session")
def tokenizer():
    pytest.importorskip("gguf", reason="needs the extra gguf")
    from support.models.tiny_gguf import tiny_tokenizer

    return tiny_tokenizer()


@pytest.fixture
def write(tmp_path, tokenizer):
    """Return a function that writes a tiny Llama as `tiny.gguf`."""
    from support.models.tiny_gguf import llama_config, random_model, write_gguf

    def write_file(model=None, **changes):
        (tmp_path / "files").mkdir(exist_ok=True)
        return write_gguf(
            tmp_path / "files" / "tiny.gguf",
            model or random_model(llama_config(tokenizer)),
            tokenizer,
            **changes,
        )

    return write_file


@pytest.fixture
def output(tmp_path):
    return tmp_path / "models" / "tiny"


@pytest.fixture
def import_file(output):
    """Return a function that imports a file to `output` and returns the report."""
    pytest.importorskip("gguf", reason="needs the extra gguf")
    from rllib_gigpo.models.gguf.imported_model import ImportSettings, import_gguf

    def run(source, **settings):
        return import_gguf(source, output, ImportSettings(**settings))

    return run
