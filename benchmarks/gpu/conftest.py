"""Fixtures of the GPU tests: the device, small models, and rows of a recorded group.

`--rehearse` runs the same tests on a CPU, where trees have a dense mask and autocast is off.
"""

import dataclasses

import numpy as np
import pytest
import torch
import transformers
from rollout_files import read_rollouts

from rllib_gigpo.models.lora import add_lora
from rllib_gigpo.models.lora_settings import LoraSettings
from rllib_gigpo.models.model_adapter import ModelAdapter

VOCAB_SIZE = 512
NUM_ROWS = 60


def pytest_addoption(parser):
    """Add the option for the rehearsal."""
    parser.addoption("--rehearse", action="store_true", help="run the GPU tests on the CPU")


@pytest.fixture(scope="session")
def is_rehearsal(request):
    """Whether the CPU stands for the GPU."""
    return request.config.getoption("--rehearse")


@pytest.fixture(scope="session")
def device(is_rehearsal):
    """Return the device of the tests; without a GPU they are skipped."""
    if is_rehearsal:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU; --rehearse runs it on the CPU")
    return torch.device("cuda")


@pytest.fixture(scope="session")
def rows():
    """Return 60 rows of one group of the main job."""
    recorded = read_rollouts()["main_job/iteration_31"]
    one_group = np.flatnonzero(recorded.group_ids == recorded.group_ids[0])[:NUM_ROWS]
    return dataclasses.replace(
        recorded.select(one_group),
        token_ids=recorded.select(one_group).token_ids % VOCAB_SIZE,
        minibatch_ids=np.zeros(len(one_group), dtype=np.int32),
        minibatch_token_counts=np.array([float(recorded.response_lengths[one_group].sum())]),
        minibatch_row_counts=np.array([float(len(one_group))]),
    )


@pytest.fixture
def make_adapter(device):
    """Return a function that makes the adapter of a small random model on the device."""

    def make(kind="Llama", *, checkpointing=False, lora_rank=0):
        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(
            vocab_size=VOCAB_SIZE,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=8192,
            initializer_range=0.1,
        )
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
        if lora_rank:
            pytest.importorskip("peft")
            add_lora(model, LoraSettings(rank=lora_rank))
            for name, weight in model.named_parameters():
                if ".lora_B." in name:  # B starts at 0, which would hide A's gradient
                    torch.nn.init.normal_(weight, std=0.02)
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        return ModelAdapter(model.to(device).train())

    return make
