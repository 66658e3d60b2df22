"""The adapter against the model's own forward pass, also for models that transform logits."""

import pytest
import torch
import transformers

from rllib_gigpo.layout.micro_batch import MicroBatch
from rllib_gigpo.models.model_adapter import ModelAdapter, disable_dropout, logit_transform

SIZES = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "attn_implementation": "eager",
    "pad_token_id": 0,
    # Large, so that caps and factors change the logits visibly.
    "initializer_range": 0.5,
}
MODELS = {
    "qwen2": ("Qwen2", {}),
    "gemma2": ("Gemma2", {"head_dim": 8, "final_logit_softcapping": 2.0}),
    "cohere": ("Cohere", {"logit_scale": 0.25}),
    "granite": ("Granite", {"logits_scaling": 3.0}),
}
TRANSFORMED = ["gemma2", "cohere", "granite"]
# Rows of 4 and 2 tokens; the second is padded.
MICRO_BATCH = MicroBatch(
    input_ids=torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]]),
    logit_positions=torch.tensor([1, 2, 4]),
    targets=torch.tensor([3, 4, 6]),
    token_indices=torch.tensor([0, 1, 2]),
    state_positions=torch.tensor([1, 4]),
    row_indices=torch.tensor([0, 1]),
)


def make_model(name):
    kind, options = MODELS[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**SIZES, **options)
    return getattr(transformers, f"{kind}ForCausalLM")(config).eval()


def own_log_probs(model):
    """Return the log-probs of every row, run alone through the whole model: (B·L, V)."""
    rows = [model(input_ids=row[None], use_cache=False).logits[0] for row in MICRO_BATCH.input_ids]
    return torch.cat(rows).float().log_softmax(-1)


@pytest.mark.parametrize("chunk_tokens", [2, 100])
@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_of_the_models_own_logits(name, chunk_tokens):
    model = make_model(name)
    adapter = ModelAdapter(model)
    logp, entropy = adapter.response_scores(
        MICRO_BATCH, adapter.hidden_states(MICRO_BATCH), chunk_tokens=chunk_tokens
    )
    all_logp = own_log_probs(model)
    expected = all_logp[MICRO_BATCH.logit_positions, MICRO_BATCH.targets]
    torch.testing.assert_close(logp, expected, rtol=0, atol=1e-6)
    entropies = torch.distributions.Categorical(logits=all_logp).entropy()
    torch.testing.assert_close(entropy, entropies[MICRO_BATCH.logit_positions], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", TRANSFORMED)
def test_without_the_models_own_transform_the_scores_would_be_far_off(name):
    model = make_model(name)
    hidden = ModelAdapter(model).hidden_states(MICRO_BATCH)
    plain = model.get_output_embeddings()(hidden).log_softmax(-1)
    assert (plain - own_log_probs(model)).abs().max().item() > 0.1


@pytest.mark.parametrize("name", MODELS)
def test_gradients_pass_through_the_transform(name):
    gradients = []
    for own in (True, False):
        model = make_model(name)
        if own:
            logp = own_log_probs(model)[MICRO_BATCH.logit_positions, MICRO_BATCH.targets]
        else:
            adapter = ModelAdapter(model)
            logp, _ = adapter.response_scores(
                MICRO_BATCH, adapter.hidden_states(MICRO_BATCH), chunk_tokens=2
            )
        logp.sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


def test_a_cap_bounds_every_logit_and_a_model_without_transform_keeps_them():
    capped = logit_transform(transformers.Gemma2Config(final_logit_softcapping=2.0))
    assert capped(torch.tensor([0.0, 1e6, -1e6])).tolist() == [0.0, 2.0, -2.0]
    plain = torch.tensor([1.0, 100.0])
    assert logit_transform(transformers.Qwen2Config())(plain) is plain


def test_of_a_model_of_text_and_images_the_text_part_decides():
    text = SIZES | {"final_logit_softcapping": 2.0, "head_dim": 8}
    config = transformers.Gemma3Config(text_config=text, vision_config={"num_hidden_layers": 1})
    adapter = ModelAdapter(transformers.AutoModelForCausalLM.from_config(config))
    assert adapter.logits(torch.full((1, 16), 1e6)).abs().max().item() == 2.0


def test_weights_include_a_tied_output_matrix():
    torch.manual_seed(0)
    config = transformers.Qwen2Config(**SIZES, tie_word_embeddings=True)
    model = transformers.Qwen2ForCausalLM(config)
    weights = dict(ModelAdapter(model).weights())
    assert torch.equal(weights["lm_head.weight"], weights["model.embed_tokens.weight"])
    assert set(weights) == set(model.state_dict())


def test_disable_dropout_reaches_modules_and_the_numbers_that_attention_keeps():
    config = transformers.Qwen2Config(**SIZES, attention_dropout=0.5)
    model = transformers.Qwen2ForCausalLM(config)
    model.extra = torch.nn.Dropout(0.5)
    disable_dropout(model)
    assert model.extra.p == 0.0
    rates = [
        module.attention_dropout
        for module in model.modules()
        if hasattr(module, "attention_dropout")
    ]
    assert rates == [0.0] * 2
