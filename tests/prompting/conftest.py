"""A fixture with a real tokenizer that takes no time to build."""

import pytest

from rllib_gigpo.models.tiny_model import build_tokenizer

TEXTS = [
    "-= Kitchen =- You are in a kitchen. There is an exit to the east. goal: take coin",
    "did: go east; go north\ncan: go east; go south; look; inventory; take coin",
    "You are an agent that acts in an interactive environment. <think></think><action></action>",
]


@pytest.fixture(scope="session")
def tokenizer():
    return build_tokenizer(TEXTS * 20, vocab_size=512)
