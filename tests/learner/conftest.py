"""Fixtures: a tiny model folder, rows, and Learners that train on them."""

import gymnasium
import numpy as np
import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.batch.token_rows import TokenRows
from rllib_gigpo.learner.gigpo_learner import GiGPOLearner
from rllib_gigpo.learner.training_rows import TrainingRows
from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.rl_modules.causal_lm_module import CausalLMModule


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def model_path(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        attention_dropout=0.1,
    )
    transformers.Qwen2ForCausalLM(config).save_pretrained(path)
    build_tokenizer(["a checkpoint holds a tokenizer too"], 300).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="session")
def make_config(model_path):
    """Return a function that makes a config: SGD, no KL, entropy bonus or gradient clipping."""

    def make(*, num_learners=0, **settings):
        defaults = {
            "lr": 0.1,
            "optim": "sgd",
            "kl_coeff": 0.0,
            "entropy_coeff": 0.0,
            "grad_clip": None,
            "num_minibatches": 2,
            "micro_batch_tokens": 100,
            "logp_chunk_tokens": 7,
        }
        config = (
            GiGPOConfig()
            .environment("rllib_gigpo.envs:Corridor-v0")
            .llm(model_path=model_path, max_prompt_tokens=48, max_response_tokens=16)
            .learners(num_learners=num_learners, num_cpus_per_learner=0.5)
        )
        return config.update_from_dict({**defaults, **settings})

    return make


@pytest.fixture(scope="session")
def make_spec():
    """Return a function that builds the module spec of a config."""

    def make(config):
        space = gymnasium.spaces.Text(10)
        return MultiRLModuleSpec(
            rl_module_specs={
                DEFAULT_MODULE_ID: RLModuleSpec(
                    module_class=CausalLMModule,
                    observation_space=space,
                    action_space=space,
                    model_config=CausalLMModule.model_config_of(config.settings, seed=None),
                )
            }
        )

    return make


@pytest.fixture(scope="session")
def make_learner(make_config, make_spec):
    """Return a function that builds a local Learner."""

    def make(**settings):
        config = make_config(**settings)
        learner = GiGPOLearner(config=config, module_spec=make_spec(config))
        learner.build()
        return learner

    return make


@pytest.fixture(scope="module")
def make_group(make_config, make_spec, ray_session):
    """Return a function that starts Learners; they stop after each test file to free its CPUs."""
    groups = []

    def make(num_learners, **settings):
        config = make_config(num_learners=num_learners, **settings)
        groups.append(LearnerGroup(config=config, module_spec=make_spec(config)))
        return groups[-1]

    yield make
    for group in groups:
        group.shutdown()


@pytest.fixture(scope="session")
def weights_of_each():
    """Return a function that reads the weights of each Learner in a group; only one exports any."""

    def read(learner):
        weights = learner.module[DEFAULT_MODULE_ID].unwrapped().weights()
        return {name: tensor.detach().clone() for name, tensor in weights}

    return lambda group: [result.get() for result in group.foreach_learner(read)]


@pytest.fixture(scope="session")
def make_rows():
    """Return a function that draws random rows with rollout log-probs near the model's."""

    def make(
        num_rows=12,
        *,
        seed=0,
        num_minibatches=2,
        weights=None,
        has_values=False,
        has_pairs=False,
    ):
        rng = np.random.default_rng(seed)
        response_lengths = rng.integers(1, 5, num_rows)
        return TokenRows.from_rows(
            [rng.integers(1, 64, length).tolist() for length in rng.integers(1, 20, num_rows)],
            [rng.integers(1, 64, length).tolist() for length in response_lengths],
            rollout_logp=[-4.2 + 0.1 * rng.normal(size=n) for n in response_lengths],
            advantages=np.repeat(rng.normal(size=num_rows), response_lengths),
            minibatch_ids=np.arange(num_rows) % num_minibatches,
            num_minibatches=num_minibatches,
            weights=weights,
            old_values=rng.normal(size=num_rows) if has_values else None,
            value_targets=rng.normal(size=num_rows) if has_values else None,
            pair_gradients=rng.normal(size=num_rows) if has_pairs else None,
        )

    return make


@pytest.fixture(scope="session")
def train():
    """Return a function that runs one update of a Learner and returns its metrics as numbers."""

    def run(learner, rows):
        results = learner.update(training_data=TrainingRows(rows=rows))
        return MetricsLogger.peek_results(results)[DEFAULT_MODULE_ID]

    return run


@pytest.fixture(scope="session")
def train_group():
    """Return a function that updates a LearnerGroup and returns each Learner's metrics."""

    def run(group, rows):
        results = group.update(training_data=TrainingRows(rows=rows))
        return [MetricsLogger.peek_results(result)[DEFAULT_MODULE_ID] for result in results]

    return run
