"""Every tuned example loads, is valid and trains; the main job does so on real TextWorld."""

import importlib.util
from pathlib import Path

import pytest
from support.backends import needs_alfworld

from rllib_gigpo.cli.experiment import load_experiment
from rllib_gigpo.envs.search_qa.retrieval import HttpSettings
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.models.tiny_model import build_model, build_tokenizer
from rllib_gigpo.warm_start import FitSettings, WarmStartSettings, warm_start

EXAMPLES = Path(__file__).parents[2] / "tuned_examples"
FILES = {path.stem: path for path in sorted(EXAMPLES.glob("*/*.py"))}
TRAINED_ALWAYS = (
    "textworld_gigpo_tiny",
    "sokoban_gigpo_vlm_tiny",
    "textworld_gigpo_smollm2",
    "custom_env_gigpo",
    "tools_gigpo_tiny",
)
TRAINED_WHEN_ASKED = (
    "agent_program_tiny",
    "alfworld_gigpo_tiny",
    "blackjack_gigpo_tiny",
    "blackjack_gigpo_vlm_tiny",
    "delivery_forks_tiny",
    "delivery_gigpo_tiny",
    "delivery_openenv_tiny",
    "ezpoints_gigpo_tiny",
    "ezpoints_gigpo_vlm_tiny",
    "frozen_lake_gigpo_tiny",
    "guide_and_walker_gigpo_tiny",
    "frozen_lake_hiper_tiny",
    "minigrid_gigpo_tiny",
    "mixture_gigpo_tiny",
    "numberline_gigpo_tiny",
    "numberline_gigpo_vlm_tiny",
    "points24_gigpo_tiny",
    "search_qa_gigpo_smollm2",
    "search_qa_gigpo_tiny",
    "sokoban_gigpo_tiny",
    "textworld_async_tiny",
    "textworld_coin10_gigpo_tiny",
    "textworld_dapo_tiny",
    "textworld_grpo_smollm2",
    "textworld_grpo_tiny",
    "textworld_istar_tiny",
    "textworld_lora_tiny",
    "textworld_own_rule_tiny",
    "textworld_ppo_tiny",
    "textworld_sharded_tiny",
    "textworld_treasure10_gigpo_tiny",
    "textworld_uncertainty_tiny",
    "tools_trl_class",
    "webshop_gigpo_tiny",
)


@pytest.fixture
def quick_warm_start(monkeypatch, tmp_path):
    """Shorten warm starts from minutes to seconds: two tasks, one epoch."""
    from dataclasses import replace

    import rllib_gigpo.warm_start as package

    def quick(settings: WarmStartSettings, **_) -> Path:
        settings = replace(settings, seeds=settings.seeds[:2], fit=FitSettings(num_epochs=1))
        return warm_start(settings, cache_dir=tmp_path)

    monkeypatch.setattr(package, "warm_start", quick)


@pytest.fixture(scope="module", autouse=True)
def small_stand_in(tmp_path_factory):
    """A small model in the place of SmolLM2."""
    folder = tmp_path_factory.mktemp("stand_in")
    tokenizer = build_tokenizer(["go east", "take coin", "click[buy now]"] * 50, 400)
    model = build_model(
        tokenizer, hidden_size=64, num_layers=2, num_heads=2, max_position_embeddings=4096
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMOLLM2_PATH", str(folder))
        yield


def test_without_smollm2_its_example_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("SMOLLM2_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="rllib import-model smollm2 --output"):
        load_experiment(FILES["textworld_gigpo_smollm2"])


def test_every_tiny_example_is_trained_by_a_test():
    tiny = {name for name in FILES if name.endswith("_tiny")}
    assert tiny <= {*TRAINED_ALWAYS, *TRAINED_WHEN_ASKED}


def test_questions_without_a_retriever_are_an_error_that_names_the_variable(monkeypatch):
    example = FILES["search_qa_gigpo_qwen"]
    monkeypatch.setenv("QUESTIONS", "train.jsonl")
    monkeypatch.delenv("RETRIEVER_URL", raising=False)
    with pytest.raises(ConfigError, match="RETRIEVER_URL is not; start a service"):
        load_experiment(example)
    monkeypatch.setenv("RETRIEVER_URL", "http://127.0.0.1:8000/retrieve")
    retriever = load_experiment(example).config.env_config["retriever"]
    assert HttpSettings.create(retriever).request_timeout_s == 60


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=needs_alfworld if name == "alfworld_gigpo_tiny" else ())
        for name in FILES
    ],
)
def test_an_example_defines_a_valid_config_and_an_end(name, quick_warm_start):
    experiment = load_experiment(FILES[name])
    config = experiment.config.copy(copy_frozen=False)
    if name.endswith("_tune"):
        config.training(step_weight=1.0).debugging(seed=0)  # instead of the search
    if name.endswith("_vlm_qwen") and importlib.util.find_spec("torchvision") is None:
        config.inference(engine="transformers")  # vLLM's code for the model needs torchvision
    config.validate()
    assert experiment.stop["training_iteration"] > 0


@pytest.mark.parametrize(
    "name",
    [
        *TRAINED_ALWAYS,
        *(pytest.param(name, marks=pytest.mark.slow) for name in TRAINED_WHEN_ASKED),
    ],
)
def test_an_example_trains(name, quick_warm_start, build):
    config = load_experiment(FILES[name]).config
    config.training(num_groups=2, group_size=2).tasks(max_episode_steps=3)
    config.llm(autocast_dtype=None)  # float32, so that the ratio is exact
    algorithm = build(config)
    again = algorithm.settings.credit.dynamic_sampling
    draws = 1 if again is None else 1 + again.max_resamples  # at most
    result = algorithm.train()
    assert result["env_runners"]["num_episodes"] in range(4, 4 * draws + 1, 2)
    assert result["env_runners"]["num_groups_lost"] == 0
    assert result["learners"]["default_policy"]["max_ratio_deviation_fresh"] < 1e-4
