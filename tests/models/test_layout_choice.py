"""Every model that can be trained gets a layout, and its costs follow from its shape."""

import pytest
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from rllib_gigpo.layout.micro_batch import FLEX
from rllib_gigpo.layout.padded_rows import PaddedRows
from rllib_gigpo.layout.row_layout import LayoutCosts
from rllib_gigpo.models.layouts.layout_choice import _limits, make_layout
from rllib_gigpo.models.layouts.layout_costs import layout_costs
from rllib_gigpo.models.layouts.prefix_sharing import Sharing
from rllib_gigpo.models.model_adapter import ModelAdapter

CPU = torch.device("cpu")


def test_the_costs_of_a_model_are_those_worked_by_hand():
    config = transformers.Qwen2Config(
        vocab_size=1000,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    costs = layout_costs(config, CPU)
    linear = 64 * 16 * 2 * (4 + 2) + 3 * 64 * 128  # multiplications of a token in a layer
    assert costs.masked_pair == pytest.approx(1.25 * 2 * 4 * 16 / linear)
    assert costs.pair == pytest.approx(1.75 * 2 * 4 * 16 / linear)
    assert costs.prediction == pytest.approx(64 * 1000 / (2 * linear))
    assert costs.overhead == 128


@pytest.mark.parametrize("kind", sorted(set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)))
def test_no_architecture_of_transformers_makes_the_prediction_fail(kind):
    try:
        config = transformers.CONFIG_MAPPING[kind]()
    except Exception as error:
        pytest.skip(f"no default configuration: {type(error).__name__}")
    costs = layout_costs(config.get_text_config(), CPU)
    assert costs.overhead == 128
    assert costs.pair >= 0


@pytest.mark.parametrize("prefix_sharing", ["auto", False])
def test_a_model_without_attention_gets_padded_rows(prefix_sharing):
    config = transformers.MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2)
    adapter = ModelAdapter(transformers.AutoModelForCausalLM.from_config(config).eval())
    layout = make_layout(adapter, prefix_sharing, max_tokens=64, device=CPU)
    assert isinstance(layout, PaddedRows)
    assert layout_costs(config, CPU) == LayoutCosts(overhead=128)


@pytest.mark.parametrize("max_tokens", [100, 5000, 16384])
def test_lengths_for_flex_attention_stay_within_the_budget(max_tokens):
    limits = _limits(Sharing(attention=FLEX), max_tokens, torch.device("cuda"))
    assert limits.rounded_to[-1] == max_tokens == limits.max_tree_tokens
    assert list(limits.rounded_to) == sorted(set(limits.rounded_to))
    assert limits.padded(max_tokens - 1) == max_tokens
