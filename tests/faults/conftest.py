"""Fixtures of the tests that inject faults."""

from pathlib import Path

import pytest

from rllib_gigpo.models.tiny_model import build_model, build_tokenizer


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """Save an untrained model with so few words that valid answers are likely."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer(["go left", "go right"] * 50, 320)
    build_model(tokenizer, hidden_size=64, num_layers=2, num_heads=2).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
