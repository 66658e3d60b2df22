"""The state that sharded Learners save, read from one Learner in this process."""

import numpy as np
import pytest
import torch
import transformers
from ray.rllib.core import DEFAULT_MODULE_ID

from rllib_gigpo.learner.sharding.sharded_state import ShardedState
from rllib_gigpo.models.causal_lm import layers_of

ADAMW = {"optim": "adamw", "lr": 1e-3}


def state_of(learner):
    return ShardedState(learner._causal_lm, learner._optimizer, sharding=learner.sharding)._state()


def weights_of(learner):
    module = learner.module[DEFAULT_MODULE_ID].unwrapped()
    return {name: tensor.detach().clone() for name, tensor in module.named_parameters()}


def test_reading_the_state_before_the_first_step_changes_no_step(make_learner, train, make_rows):
    read, other = make_learner(**ADAMW), make_learner(**ADAMW)
    steps = {float(values["step"]) for values in state_of(read)["optimizer"]["state"].values()}
    assert steps == {0.0}
    train(read, make_rows())
    train(other, make_rows())
    for name, tensor in weights_of(other).items():
        assert torch.equal(weights_of(read)[name], tensor), name


def test_the_state_is_whole_after_an_update_that_was_skipped(make_learner, train, make_rows):
    learner, rows = make_learner(**ADAMW), make_rows()
    rows.advantages[:] = np.nan
    assert train(learner, rows)["num_steps"] == 0
    assert len(state_of(learner)["optimizer"]["state"]) == len(weights_of(learner))


@pytest.mark.parametrize(
    "names", [["Qwen2DecoderLayer"], ["Qwen2DecoderLayer", "Qwen2MLP"], ["Qwen2MLP"]]
)
def test_of_nested_layers_the_outermost_count(model_path, monkeypatch, names):
    model = transformers.AutoModelForCausalLM.from_pretrained(model_path)
    for one in (model, model.model):
        monkeypatch.setattr(one, "_no_split_modules", names)
    assert [type(layer).__name__ for layer in layers_of(model)] == names[:1] * 2
