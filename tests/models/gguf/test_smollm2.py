"""The real SmolLM2, if its package is installed (`make .venv/stamps/smollm2`)."""

import pytest
import torch

from rllib_gigpo.errors import MissingExtraError
from rllib_gigpo.models.causal_lm import load_causal_lm
from rllib_gigpo.models.gguf.packaged_models import find_packaged_model
from rllib_gigpo.models.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def source():
    try:
        return find_packaged_model("smollm2")[0]
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_it_is_imported_exactly_and_answers(source, import_file, output):
    report = import_file(source)
    assert report.num_tensors == 272
    assert report.largest_deviation == 0.0
    assert report.warnings == []
    assert 1.0 < report.bits_per_byte < 1.2
    tokenizer, model = load_tokenizer(output), load_causal_lm(output).eval()
    # Its own tokenizer keeps digits alone, so the line breaks before one stay together.
    assert tokenizer.tokenize("a:\n\n12") == ["a", ":", "ĊĊ", "1", "2"]
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt"
    )
    with torch.no_grad():
        tokens = model.generate(**prompt, max_new_tokens=12, do_sample=False)
    assert tokenizer.decode(tokens[0]).endswith("The capital of France is Paris.<|im_end|>")
