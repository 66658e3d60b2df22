"""Fixtures: a tiny untrained model and small runs on Corridor, with real Ray and real vLLM."""

import pytest
from ray.rllib.callbacks.callbacks import RLlibCallback

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer


class KeepBatches(RLlibCallback):
    """A callback that keeps the batch of each iteration for the tests."""

    def on_algorithm_init(self, *, algorithm, **kwargs):
        algorithm.batches = []

    def on_train_result(self, *, algorithm, **kwargs):
        algorithm.batches.append(algorithm.last_batch)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """Save an untrained model with so few words that valid answers are likely."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = build_tokenizer(["go left", "go right"] * 50, 320)
    build_model(tokenizer, hidden_size=64, num_layers=2, num_heads=2).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def corridor_config(tiny_folder):
    """Return a function that makes a config: Corridor, 2 groups of 4, 6 steps, and any changes."""

    def make(**training):
        settings = {"group_size": 4, "num_groups": 2, "num_minibatches": 2, "kl_coeff": 0.0}
        return (
            GiGPOConfig()
            .environment("rllib_gigpo.envs:Corridor-v0", env_config={"length": 3, "max_steps": 6})
            .llm(model_path=str(tiny_folder), max_prompt_tokens=256, max_response_tokens=4)
            .prompting(template="compact", action_tag=None, think_tag=None)
            .tasks(num_train_tasks=8, num_test_tasks=4, max_episode_steps=6)
            .training(**{**settings, "lr": 1e-2, **training})
            .reporting(transcripts={"interval": 1, "groups": 1})
            .callbacks(KeepBatches)
            .debugging(seed=0)
        )

    return make


@pytest.fixture
def build(ray_session):
    """Return a function that builds Algorithms; stop them at the end of the test."""
    built = []

    def make(config):
        built.append(config.build_algo())
        return built[-1]

    yield make
    for algorithm in built:
        algorithm.stop()
