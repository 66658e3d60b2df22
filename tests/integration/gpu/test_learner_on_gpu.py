"""The Learner on a GPU, with rollouts of the exact engine on the CPU: `make gpu-check-ray`."""

import math

import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
MIXED = {"autocast_dtype": "bfloat16", "gradient_checkpointing": True}


@pytest.fixture
def train(corridor_config, build):
    """Train for some iterations; return the Algorithm and the Learner's metrics of each."""

    def run(*, num_iterations=2, num_gpus=1, llm=None, **training):
        config = (
            corridor_config(**training)
            .llm(**(llm or {}))
            .inference(engine="transformers")
            .env_runners(num_env_runners=1, num_gpus_per_env_runner=0)
            .learners(num_learners=1, num_gpus_per_learner=num_gpus)
        )
        algorithm = build(config)
        results = [algorithm.train() for _ in range(num_iterations)]
        return algorithm, [result["learners"]["default_policy"] for result in results]

    return run


def weights_of(algorithm):
    """Return the type of the Learner's device, and its weights on the CPU."""
    (found,) = algorithm.learner_group.foreach_learner(
        lambda learner: (
            learner._device.type,
            {
                name: value.cpu()
                for name, value in learner.module[DEFAULT_MODULE_ID].state_dict().items()
            },
        )
    )
    return found.get()


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({}, 1e-4),
        ({"kl_coeff": 0.01, "entropy_coeff": 0.01}, 1e-4),
        ({"rule": "ppo", "critic": "head"}, 1e-4),
        ({"llm": {"lora": {"rank": 4}}}, 1e-4),
        ({"llm": MIXED}, 0.1),
        ({"llm": MIXED, "old_logp": "recompute"}, 0.1),
    ],
    ids=["float32", "kl", "critic", "lora", "bfloat16", "recomputed"],
)
def test_the_ratio_on_fresh_data_is_one(train, options, bound):
    algorithm, metrics = train(**options)
    assert weights_of(algorithm)[0] == "cuda"
    assert max(each["max_ratio_deviation_fresh"] for each in metrics) < bound
    assert all(math.isfinite(each["total_loss"]) for each in metrics)


def test_an_update_is_that_of_the_cpu(train):
    on_gpu, on_cpu = (
        weights_of(train(num_iterations=1, num_gpus=n, optim="sgd", lr=0.1)[0]) for n in (1, 0)
    )
    assert (on_gpu[0], on_cpu[0]) == ("cuda", "cpu")
    for name, value in on_cpu[1].items():
        torch.testing.assert_close(on_gpu[1][name], value, atol=1e-5, rtol=1e-4, msg=name)
