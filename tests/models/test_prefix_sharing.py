"""Which models share prefixes exactly, and that the others are not allowed to."""

import numpy as np
import pytest
import torch
import transformers

from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.layout.micro_batch import FLEX, MicroBatch
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.prefix_trees import PrefixTrees, TreeLimits
from rllib_gigpo.layout.row_layout import LayoutCosts
from rllib_gigpo.layout.tree_mask import is_visible, positions
from rllib_gigpo.models.layouts import prefix_sharing
from rllib_gigpo.models.layouts.prefix_sharing import examine_sharing
from rllib_gigpo.models.lora import add_lora
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.models.model_adapter import ModelAdapter

SIZES = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "initializer_range": 0.5,
}
COSTS = LayoutCosts(overhead=0)
PADDED = PaddedRows(COSTS, max_tokens=500)
# Eight answers in two states of one task.
GROUP = TokenRows.from_rows(
    [[5, 6, 7, 8, 20 + state] for state in (0, 1) for _ in range(4)],
    [[40 + first, 50, 51 + last] for _ in range(2) for first in (0, 1) for last in (0, 1)],
    rollout_logp=[np.zeros(3)] * 8,
    advantages=np.zeros(24),
    minibatch_ids=np.zeros(8, dtype=np.int64),
    num_minibatches=1,
)
SLIDING = {"layer_types": ["sliding_attention", "full_attention"], "head_dim": 8}


def make_adapter(kind, **options):
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **options})
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    return ModelAdapter(model.eval())


@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3", "Llama", "Gemma", "Olmo2", "Phi3", "OPT"])
def test_these_models_share_without_a_limit(kind):
    options = {"head_dim": 8} if kind in ("Qwen3", "Gemma") else {}
    sharing = examine_sharing(make_adapter(kind, **options))
    assert (sharing.max_depth, sharing.reason) == (None, None)
    assert sharing.difference < 1e-5


@pytest.mark.parametrize("lora_rank", [None, 2])
@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3", "Llama", "Gemma"])
def test_log_probs_and_gradients_of_trees_are_those_of_padded_rows(kind, lora_rank):
    results = []
    for layout in (PrefixTrees(COSTS, TreeLimits(), max_tokens=500), PADDED):
        adapter = make_adapter(kind, head_dim=8)
        adapter.model.double()  # sums in another order must not look like other gradients
        if lora_rank:
            add_lora(adapter.model, LoraSettings(rank=lora_rank), seed=0)
            for name, weight in adapter.model.named_parameters():
                if "lora_B" in name:  # 0 at first, so that A would get no gradient
                    torch.nn.init.normal_(weight, std=0.1)
        logp = torch.zeros(len(GROUP.rollout_logp))
        for batch in layout.micro_batches(GROUP, np.arange(GROUP.num_rows)):
            hidden = adapter.hidden_states(batch)
            part, _ = adapter.response_scores(batch, hidden, chunk_tokens=5)
            logp = logp.index_put((batch.token_indices,), part)
        weights = [weight for weight in adapter.model.parameters() if weight.requires_grad]
        gradients = torch.autograd.grad(logp.cos().sum(), weights)
        results.append((logp.detach(), torch.cat([each.flatten() for each in gradients])))
    for found, expected in zip(*results, strict=True):
        bound = 1e-6 * expected.abs().max().item()
        torch.testing.assert_close(found, expected, rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("Gemma2", SLIDING), ("Gemma3Text", SLIDING), ("Mistral", {})],
    ids=["gemma2", "gemma3", "mistral"],
)
@pytest.mark.parametrize(("window", "max_depth"), [(4, 0), (30, 30)])
def test_a_sliding_window_shares_rows_that_fit_into_it(kind, options, window, max_depth):
    sharing = examine_sharing(make_adapter(kind, sliding_window=window, **options))
    assert sharing.max_depth == max_depth
    assert sharing.reason == f"its window has {window} tokens"


def test_a_window_that_is_switched_off_is_no_limit():
    sharing = examine_sharing(make_adapter("Qwen2", sliding_window=4, use_sliding_window=False))
    assert sharing.max_depth is None


def test_a_rotation_that_depends_on_the_longest_row_limits_sharing():
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    sharing = examine_sharing(make_adapter("Llama", rope_parameters=rope))
    assert sharing.max_depth == 64
    assert sharing.reason == "its position scaling changes after 64 tokens"


@pytest.mark.parametrize(
    ("dtype", "initializer_range"),
    [(torch.float32, 0.02), (torch.bfloat16, 0.02), (torch.bfloat16, 0.1)],
)
def test_a_wrong_tree_of_a_model_that_was_just_drawn_is_found(
    dtype, initializer_range, monkeypatch
):
    adapter = make_adapter("Llama", initializer_range=initializer_range)
    adapter.model.to(dtype)
    monkeypatch.setattr("rllib_gigpo.models.trunk.positions", lambda ends: 0 * ends)
    assert examine_sharing(adapter).max_depth == 0


def test_a_fitted_model_in_half_precision_shares():
    adapter = make_adapter("Llama")  # with large weights, like a model that was trained
    adapter.model.to(torch.bfloat16)
    assert examine_sharing(adapter).max_depth is None


def test_a_look_at_the_model_leaves_its_own_attention():
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SIZES)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    adapter = ModelAdapter(model.eval())
    assert examine_sharing(adapter).max_depth is None
    assert model.config._attn_implementation == "eager"


REFUSED = {
    "llama 4": (
        transformers.Llama4TextConfig(
            **SIZES, head_dim=8, intermediate_size_mlp=32, num_local_experts=2
        ),
        "temperature tuning",
    ),
    "bloom": (
        transformers.BloomConfig(vocab_size=64, hidden_size=16, n_layer=2, n_head=2),
        "it takes no positions",
    ),
    "falcon with alibi": (
        transformers.FalconConfig(
            vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, alibi=True
        ),
        "ALiBi",
    ),
    "mamba": (
        transformers.MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2),
        "it takes no positions|do.* not reach its layers",
    ),
    "recurrent gemma": (
        transformers.RecurrentGemmaConfig(
            vocab_size=64, hidden_size=32, num_hidden_layers=3, intermediate_size=48,
            num_attention_heads=4, num_key_value_heads=2,
        ),
        "does not reach its layers of type recurrent",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_models_without_exact_sharing_are_refused_with_the_reason(name):
    config, reason = REFUSED[name]
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    sharing = examine_sharing(ModelAdapter(model.eval()))
    assert sharing.max_depth == 0
    assert any(part in sharing.reason for part in reason.split("|"))


def test_a_probe_that_finds_a_difference_ends_in_refusal_with_the_figure(monkeypatch):
    adapter = make_adapter("Llama")
    monkeypatch.setattr("rllib_gigpo.models.trunk.positions", lambda ends: 0 * ends)
    sharing = examine_sharing(adapter)
    assert sharing.max_depth == 0
    assert "with sdpa, the log-probs of a tree of two rows differ" in sharing.reason


def test_a_model_whose_code_fails_on_a_tree_is_refused(monkeypatch):
    adapter = make_adapter("Llama")
    forward = adapter.trunk.module.forward

    def own(input_ids=None, position_ids=None, attention_mask=None, **kwargs):
        if attention_mask is not None:
            raise ValueError("a mask of two dimensions is expected")
        return forward(input_ids=input_ids, **kwargs)

    monkeypatch.setattr(adapter.trunk.module, "forward", own)
    sharing = examine_sharing(adapter)
    assert sharing.max_depth == 0
    assert "ValueError: a mask of two dimensions is expected" in sharing.reason


def test_flex_attention_may_be_compiled_often_enough(monkeypatch):
    monkeypatch.setattr("torch._dynamo.config.recompile_limit", 8)
    adapter = make_adapter("Qwen2")
    none = TREE.new_zeros(0)
    micro_batch = MicroBatch(
        TREE, none, none, none, none, none, subtree_ends=ENDS, tree_attention=FLEX
    )
    with torch.compiler.set_stance("force_eager"), torch.no_grad():
        adapter.hidden_states(micro_batch)
    assert torch._dynamo.config.recompile_limit == 32


# ---------------------------------------------------------------- transformers, as it behaves

TREE = torch.tensor([prefix_sharing._TREE])
ENDS = torch.tensor([prefix_sharing._SUBTREE_ENDS])
PATHS = torch.tensor(prefix_sharing._PATHS)
ROWS = torch.tensor(prefix_sharing._ROWS)


def difference(adapter, **kwargs):
    """Return the largest difference of a hidden state to those of the unshared rows."""
    trunk = adapter.trunk.module
    with torch.no_grad():
        expected = trunk(input_ids=ROWS, use_cache=False).last_hidden_state.flatten(0, 1)
        tree = trunk(input_ids=TREE, position_ids=positions(ENDS), use_cache=False, **kwargs)
    return (tree.last_hidden_state[0, PATHS.flatten()] - expected).abs().max().item()


@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3", "Llama", "Gemma"])
def test_a_mask_of_four_dimensions_is_exact_where_attention_is_full(kind):
    adapter = make_adapter(kind, head_dim=8)
    assert difference(adapter, attention_mask=is_visible(ENDS)[:, None]) < 1e-5


@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3"])
def test_a_dict_of_masks_works_for_some_models_too(kind):
    masks = {"full_attention": is_visible(ENDS)[:, None]}
    assert difference(make_adapter(kind, head_dim=8), attention_mask=masks) < 1e-5


@pytest.mark.parametrize("kind", ["Llama", "Gemma", "Mistral"])
def test_a_dict_of_masks_breaks_others_so_it_is_not_used(kind):
    masks = {"full_attention": is_visible(ENDS)[:, None]}
    with pytest.raises((AttributeError, TypeError, ValueError, KeyError)):
        difference(make_adapter(kind, head_dim=8), attention_mask=masks)


def test_a_dict_of_masks_for_each_kind_of_layer_loses_gemma_3s_window_too():
    adapter = make_adapter("Gemma3Text", sliding_window=4, **SLIDING)
    masks = dict.fromkeys(("full_attention", "sliding_attention"), is_visible(ENDS)[:, None])
    assert difference(adapter, attention_mask=masks) > 0.01


@pytest.mark.parametrize(
    ("kind", "options"), [("Gemma3Text", SLIDING), ("Mistral", {})], ids=["gemma3", "mistral"]
)
def test_a_mask_of_four_dimensions_loses_a_window_without_a_word(kind, options):
    adapter = make_adapter(kind, sliding_window=4, **options)
    assert difference(adapter, attention_mask=is_visible(ENDS)[:, None]) > 0.01


@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3", "Llama", "Gemma", "Mistral"])
def test_without_a_mask_the_branches_are_wrong_without_a_word(kind):
    assert difference(make_adapter(kind, head_dim=8)) > 0.01
