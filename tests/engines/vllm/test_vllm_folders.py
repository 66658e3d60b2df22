"""Folders that vLLM reads otherwise than transformers: Mistral's own files, YaRN, turn ends."""

import json

import pytest
import torch
from safetensors.torch import save_file
from support.chat.families import CHATML

pytest.importorskip("vllm")

from rllib_gigpo.engines import EngineSettings, GenerationRequest, SamplingSettings, make_engine
from rllib_gigpo.models.causal_lm import load_causal_lm
from rllib_gigpo.models.context import check_context_length, read_config
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.models.tokenizer import load_tokenizer, save_tokenizer

YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}


@pytest.fixture
def folder(tmp_path):
    """A folder with YaRN, Mistral's own files and an eos token that the template does not write."""
    tokenizer = build_tokenizer(["go north", "take the coin"], 300)
    model = build_model(
        tokenizer, hidden_size=64, num_layers=2, num_heads=2, max_position_embeddings=64
    )
    model.generation_config.eos_token_id = model.config.eos_token_id = 0
    model.save_pretrained(tmp_path, max_shard_size="60KB")
    tokenizer.eos_token, tokenizer.chat_template = "<|pad|>", CHATML
    save_tokenizer(tokenizer, tmp_path)
    config = tmp_path / "config.json"
    # transformers writes rope_parameters; the usual recipe adds rope_scaling beside it.
    config.write_text(json.dumps({**json.loads(config.read_text()), "rope_scaling": YARN}))
    tensors = {f"layers.{i}.w": p.detach().clone() for i, p in enumerate(model.parameters())}
    save_file(tensors, tmp_path / "consolidated.safetensors")
    (tmp_path / "params.json").write_text("{}")
    return tmp_path


@pytest.mark.fault(
    "case 7", "case 9", "case 19", promise="vLLM and transformers read a folder by the same rules."
)
def test_vllm_reads_a_folder_as_transformers_does(folder, largest_logp_error, change_weights):
    check_context_length(read_config(folder), max_prompt_tokens=180, max_response_tokens=20)
    engine = make_engine("vllm", EngineSettings(model_path=str(folder), max_model_len=200))
    engine.start()
    try:
        end = load_tokenizer(folder).convert_tokens_to_ids("<|im_end|>")
        assert engine._facts.stop_token_ids == [0, end]
        model = load_causal_lm(folder).eval()
        prompt = torch.arange(3, 173).tolist()  # longer than the unscaled context
        for version in (1, 2):
            requests = [GenerationRequest("a", prompt, SamplingSettings(max_tokens=8), seed=1)]
            answers = engine.generate(requests)
            assert largest_logp_error(model, requests, answers) < 1e-4
            change_weights(model, seed=version)
            engine.load_weights(model.state_dict().items(), version)
    finally:
        engine.stop()
