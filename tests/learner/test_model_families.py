"""The first ratio is 1 for models with other dropouts and heads, or the run is refused."""

import pytest
import torch
import transformers

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.errors import ConfigError

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
CONFIGS = {
    "opt": transformers.OPTConfig(
        **SIZES, ffn_dim=48, word_embed_proj_dim=32, dropout=0.5, init_std=0.3
    ),
    "recurrent_gemma": transformers.RecurrentGemmaConfig(
        **SIZES, intermediate_size=48, num_key_value_heads=2, logits_soft_cap=2.0
    ),
}
ROWS = [([5, 6, 7], [8, 9]), ([10, 11], [12]), ([13, 14, 15, 16], [17, 18, 19, 20])]


@pytest.fixture(params=CONFIGS)
def start_model(request, tmp_path):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[request.param])
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)
    model.save_pretrained(tmp_path)
    return model.eval(), str(tmp_path)


@torch.no_grad()
def logp_of(model, prompt, response):
    logp = model(torch.tensor([[*prompt, *response]])).logits[0].log_softmax(-1)
    return logp[len(prompt) - 1 : -1][range(len(response)), response].tolist()


def rows_of(model):
    return TokenRows.from_rows(
        *map(list, zip(*ROWS, strict=True)),
        rollout_logp=[logp_of(model, *row) for row in ROWS],
        advantages=[0.5] * sum(len(response) for _, response in ROWS),
        minibatch_ids=[0] * len(ROWS),
        num_minibatches=1,
    )


@pytest.mark.fault("case 1", "case 2", promise="The ratio on fresh data is 1 for every model.")
def test_the_first_ratio_is_one_and_the_reference_is_the_start(start_model, make_learner, train):
    model, path = start_model
    learner = make_learner(model_path=path, num_minibatches=1, kl_coeff=0.1)
    metrics = train(learner, rows_of(model))
    assert metrics["max_ratio_deviation_fresh"] < 1e-4
    assert abs(metrics["kl_to_reference"]) < 1e-6


@pytest.mark.fault("case 1", promise="A model whose passes differ is refused before training.")
def test_a_learner_refuses_a_model_that_stays_random(start_model, make_learner, monkeypatch):
    _, path = start_model
    forward = torch.nn.Linear.forward
    monkeypatch.setattr(
        torch.nn.Linear, "forward", lambda self, x: forward(self, x) + torch.rand_like(x[..., :1])
    )
    with pytest.raises(ConfigError, match=r"Two passes of this .* differ by up to"):
        make_learner(model_path=path)
