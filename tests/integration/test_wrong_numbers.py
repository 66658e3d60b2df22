"""Runs whose numbers are wrong: NaN in a weight, and log-probs that engine and Learner disagree on.

Real Ray and real engines.
"""

import shutil

import pytest
from safetensors.torch import load_file, save_file

from rllib_gigpo import GiGPO
from rllib_gigpo.engines.transformers_engine import TransformersEngine
from rllib_gigpo.errors import EngineError, UpdateError
from rllib_gigpo.reports.results import summarize
from rllib_gigpo.sampling.sample_source import SampleSource


class ReplayedSource(SampleSource):
    """A source that plays one batch and returns it for ever."""

    def __init__(self, source):
        self._source = source
        self._batch = None

    def sample(self, num_groups, *, weight_version):
        self._batch = self._batch or self._source.sample(num_groups, weight_version=weight_version)
        return self._batch

    def get_state(self):
        return self._source.get_state()

    def set_state(self, state):
        self._source.set_state(state)


class ReplayingGiGPO(GiGPO):
    """GiGPO whose second and later batches are stale."""

    def make_sample_source(self):
        return ReplayedSource(super().make_sample_source())


@pytest.fixture
def wrong_log_probs(monkeypatch):
    """Let the exact engine report each token as half as likely as it is."""
    extend = TransformersEngine._extend

    def halve(self, sequence):
        extend(self, sequence)
        sequence.logp[-1] -= 0.7

    monkeypatch.setattr(TransformersEngine, "_extend", halve)


@pytest.fixture
def broken_folder(tiny_folder, tmp_path):
    """Copy the model, with a NaN in one weight of its first layer."""
    folder = shutil.copytree(tiny_folder, tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.mlp.down_proj.weight"][0, 0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


def train_until_it_ends(algorithm, *, at_most):
    """Return the results of the iterations that finished, and the error that ended the run."""
    results = []
    for _ in range(at_most):
        try:
            results.append(algorithm.train())
        except UpdateError as error:
            return results, str(error)
    raise AssertionError(f"the run did not end in {at_most} iterations")


@pytest.mark.fault("B23", "case 16", promise="A NaN in a weight ends the run after a few updates.")
def test_a_nan_in_a_weight_ends_the_run(build, corridor_config, broken_folder, record_property):
    config = corridor_config(max_skipped_updates=2).llm(model_path=broken_folder)
    algorithm = build(config)
    results, message = train_until_it_ends(algorithm, at_most=4)
    record_property("lost", "the run, which could not learn")
    assert "the log-probs of the engine or the Learner are NaN" in message
    assert "Usual causes: NaN or infinity in a weight" in message
    (result,) = results
    metrics = result["learners"]["default_policy"]
    assert metrics["num_skipped_steps"] == 2
    assert not {"total_loss", "grad_norm", "entropy", "policy_loss", "approx_kl"} & set(metrics)
    assert summarize(result).num_skipped_steps == 2
    assert summarize(result).grad_norm is None
    with pytest.raises(EngineError, match="answers are NaN or infinite, so the answers mean"):
        algorithm.evaluate()


@pytest.mark.fault("case 16", promise="Scores of the Learners that are NaN end the run at once.")
@pytest.mark.parametrize(
    ("settings", "method"),
    [
        ({"kl_coeff": 0.1, "kl": {"placement": "reward"}}, "kl_penalties"),
        ({"rule": "ppo", "critic": "head"}, "values"),
        ({"rule": "istar", "process_reward": True}, "implicit_rewards"),
    ],
)
def test_scores_that_are_nan_name_the_weights_and_not_the_reward(
    build, corridor_config, broken_folder, settings, method
):
    config = corridor_config(**settings).llm(model_path=broken_folder)
    results, message = train_until_it_ends(build(config), at_most=1)
    assert results == []
    assert f"{method} of" in message
    assert "A weight of the model is probably NaN" in message


@pytest.mark.fault("case 17", promise="Wrong log-probs end a float32 run on CPUs at iteration 1.")
@pytest.mark.usefixtures("wrong_log_probs")
def test_log_probs_that_disagree_end_the_run_at_once(build, corridor_config, record_property):
    config = corridor_config().inference(engine="transformers")
    results, message = train_until_it_ends(build(config), at_most=1)
    record_property("lost", "the run, before its first wrong weights are used")
    assert results == []
    assert "Iteration 1" in message
    assert "dropout" in message


@pytest.mark.fault("case 17", promise="Without strict_ratio, wrong log-probs warn once.")
@pytest.mark.usefixtures("wrong_log_probs")
def test_without_strict_ratio_log_probs_that_disagree_warn_once(build, corridor_config):
    config = corridor_config(strict_ratio=False).inference(engine="transformers")
    algorithm = build(config)
    first, second = (summarize(algorithm.train()) for _ in range(2))
    assert "limit 0.0001" in first.warnings
    assert second.warnings == ""
    assert second.max_ratio_deviation_fresh > 0.1


def test_batches_of_older_weights_are_not_compared_with_the_newest(build, corridor_config):
    config = corridor_config(lr=0.5).inference(engine="transformers")
    config.algo_class = ReplayingGiGPO
    algorithm = build(config)
    first, second = (summarize(algorithm.train()) for _ in range(2))
    assert first.max_ratio_deviation_fresh < 1e-4
    assert second.max_ratio_deviation_fresh is None
