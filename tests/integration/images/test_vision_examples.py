"""The published runs on pictures, by dry run: with vLLM where torchvision is installed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from rllib_gigpo.cli.main import main

EXAMPLES = sorted((Path(__file__).parents[3] / "tuned_examples" / "qwen").glob("*_vlm_qwen.py"))
HAS_TORCHVISION = importlib.util.find_spec("torchvision") is not None


@pytest.mark.slow
@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_dry_run_estimates_and_plays(file):
    engine = "vllm" if HAS_TORCHVISION else "transformers"
    command = [sys.executable, "-m", "rllib_gigpo.cli.main", "train", "file", str(file)]
    command += ["--dry-run", "--set", f"engine={engine}", "--set", 'lora={"rank": 8}']
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    output = done.stdout
    assert "model qwen2_5_vl, 3,754.6 M parameters" in output
    assert "of them in the image tower" in output
    assert "the dry run succeeded" in output


@pytest.mark.skipif(HAS_TORCHVISION, reason="torchvision is installed")
def test_without_torchvision_the_command_that_installs_it_is_told(capsys):
    assert main(["train", "file", str(EXAMPLES[0]), "--dry-run"]) == 2
    told = capsys.readouterr().err
    assert "whose code in vLLM needs torchvision; install it: pip install" in told
    assert "make setup EXTRAS=dev,vlm" in told
