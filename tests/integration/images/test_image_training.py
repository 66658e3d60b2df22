"""Whole runs on pictures, with real vLLM: from the screen to the update and back."""

import sys
import types

import numpy as np
import pytest
from support.images.picture_world import WORDS, PictureWorld
from support.images.vision import save_idefics3

import rllib_gigpo.media.image
from rllib_gigpo import GiGPOConfig, columns
from rllib_gigpo.batch.step_record import step_records
from rllib_gigpo.errors import RolloutError
from rllib_gigpo.learner.learner_scores import LearnerScores
from rllib_gigpo.media.image_marks import find_marks
from rllib_gigpo.reports.transcripts import transcript_lines

HISTORY = "{% for t in history %}{{ t.observation }}{{ t.action }} {% endfor %}{{ observation }}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_idefics3(tmp_path_factory.mktemp("idefics3"))


@pytest.fixture
def picture_config(make_picture_config):
    return make_picture_config


@pytest.fixture(scope="module")
def make_picture_config(folder):
    """Return a function that makes a config for `PictureWorld`."""

    def make(template="{{ observation }}", history_length=0, style="step", **env_config):
        return (
            GiGPOConfig()
            .environment(lambda config: PictureWorld(**config), env_config=env_config)
            .llm(model_path=folder, max_prompt_tokens=128, max_response_tokens=3)
            .prompting(
                template=template,
                history_length=history_length,
                style=style,
                action_tag=None,
                think_tag=None,
            )
            .tasks(num_train_tasks=4, num_test_tasks=2, max_episode_steps=3)
            .training(group_size=4, num_groups=2, num_minibatches=1, lr=1e-2, kl_coeff=0.0)
            .debugging(seed=0)
        )

    return make


def trained(algorithm, iterations=2):
    """Train, and check in each iteration that engine and Learner saw the same."""
    for _ in range(iterations):
        result = algorithm.train()
        learner = result["learners"]["default_policy"]
        assert learner["max_ratio_deviation_fresh"] < 1e-4
        assert result["env_runners"]["num_groups_lost"] == 0
    return result


def records_of(algorithm):
    return step_records(algorithm.last_batch["episodes"])


@pytest.fixture(scope="module")
def algorithm(make_picture_config, ray_session):
    """Three iterations on pictures, the last one after two updates; each was exact."""
    algorithm = make_picture_config().evaluation(evaluation_interval=3).build_algo()
    algorithm.result = trained(algorithm, iterations=3)
    yield algorithm
    algorithm.stop()


def test_a_run_on_pictures_is_exact_before_and_after_updates(algorithm):
    records = records_of(algorithm)
    assert all(len(record.images) == 1 for record in records)
    rows = algorithm.last_batch[columns.TOKEN_ROWS]
    assert len(rows.images.images) <= 4 < rows.num_rows  # four states, each encoded once


def test_states_are_told_apart_by_what_they_look_like(algorithm):
    records = records_of(algorithm)
    for record in records:
        ((key, _, _),) = find_marks(record.anchor)
        assert key == record.images[0].image.key
    anchors = {record.anchor for record in records}
    assert 2 <= len(anchors) <= 4
    groups = algorithm.last_batch[columns.ANCHOR_GROUP_IDS]
    assert len(np.unique(groups)) < len(records)  # states recur within groups


def test_a_screen_that_is_drawn_into_again_stays_as_it_was_seen(algorithm):
    for episode in algorithm.last_batch["episodes"]:
        for step, record in enumerate(step_records([episode])):
            seen = episode.get_observations(step)
            assert seen is record.images[0].image.pixels


def test_a_critic_and_a_reference_see_the_images(picture_config, build, monkeypatch):
    asked, ask = {}, LearnerScores._ask

    def spy(self, rows, method):
        asked[method] = rows
        return ask(self, rows, method)

    monkeypatch.setattr(LearnerScores, "_ask", spy)
    config = picture_config().inference(engine="transformers")
    config.training(rule="ppo", critic="head", kl_coeff=0.1, kl={"placement": "reward"})
    trained(build(config), iterations=1)
    assert set(asked) == {"values", "kl_penalties"}
    for rows in asked.values():
        assert rows.images.row_counts.tolist() == [1] * rows.num_rows


def test_history_shows_several_images(picture_config, build):
    algorithm = build(picture_config(HISTORY, history_length=2))
    trained(algorithm)
    numbers = [len(record.images) for record in records_of(algorithm)]
    assert set(numbers) == {1, 2, 3}
    lines = transcript_lines(algorithm.last_batch, num_groups="all")
    assert sorted(len(line.get("images", ["one"])) for line in lines) == sorted(numbers)


def test_a_conversation_shows_the_image_of_each_turn(picture_config, build):
    algorithm = build(picture_config(style="conversation"))
    trained(algorithm)
    for episode in algorithm.last_batch["episodes"]:
        for step, record in enumerate(step_records([episode]), start=1):
            assert len(record.images) == step


def test_a_dict_of_image_and_text_with_a_template_for_its_keys(picture_config, build):
    config = picture_config(observation="dict")
    config.prompting(observation_to_text="{{ said }}: {{ view }}")
    algorithm = build(config)
    trained(algorithm, iterations=1)
    record = records_of(algorithm)[0]
    assert "start: <image>" in record.prompt_text
    assert record.anchor.startswith("start: ")


def test_evaluation_sees_too(algorithm):
    assert algorithm.result["evaluation"]["env_runners"]["num_episodes"] > 0


@pytest.mark.slow
def test_two_runs_with_one_seed_are_equal(picture_config, build):
    batches = []
    for _ in range(2):
        algorithm = build(picture_config())
        trained(algorithm)
        batches.append(algorithm.last_batch[columns.TOKEN_ROWS])
    assert np.array_equal(batches[0].token_ids, batches[1].token_ids)
    assert batches[0].images.images == batches[1].images.images


@pytest.mark.slow
def test_a_restored_run_goes_on_exactly(picture_config, build, tmp_path):
    first = build(picture_config())
    first.train()
    first.save_to_path(tmp_path / "checkpoint")
    first.train()
    again = build(picture_config())
    again.restore_from_path(tmp_path / "checkpoint")
    again.train()
    rows, others = (one.last_batch[columns.TOKEN_ROWS] for one in (first, again))
    assert np.array_equal(rows.token_ids, others.token_ids)
    np.testing.assert_array_equal(rows.rollout_logp, others.rollout_logp)


def test_a_model_of_text_says_that_it_cannot_see(picture_config, build, tiny_folder):
    config = picture_config().llm(model_path=str(tiny_folder)).inference(engine="transformers")
    algorithm = build(config)
    with pytest.raises(RolloutError, match="an image, but the model reads text only"):
        algorithm.train()


def test_a_picture_with_four_channels_is_told(picture_config, build):
    algorithm = build(picture_config(observation="wide").inference(engine="transformers"))
    with pytest.raises(RolloutError, match="an image with 4 channels, shape"):
        algorithm.train()


@pytest.mark.parametrize("style", [pytest.param("step", marks=pytest.mark.slow), "conversation"])
def test_no_code_for_images_runs_for_a_model_of_text(corridor_config, build, monkeypatch, style):
    config = corridor_config().prompting(style=style)
    algorithm = build(config)
    forbidden = ("rllib_gigpo.media", "rllib_gigpo.models.vision", "rllib_gigpo.layout.image")
    modules = [one for name, one in sys.modules.items() if name.startswith("rllib_gigpo")]
    for owner in [*modules, *_classes_in(modules, forbidden)]:
        for name, value in list(vars(owner).items()):
            if _is_code_of(value, forbidden):
                monkeypatch.setattr(owner, name, _ran)
    algorithm.train()
    with pytest.raises(AssertionError, match="code for images ran"):
        rllib_gigpo.media.image.Image.of(np.zeros((4, 4, 3), np.uint8))


def _classes_in(modules, forbidden):
    classes = (value for module in modules for value in vars(module).values())
    return {
        one for one in classes if isinstance(one, type) and one.__module__.startswith(forbidden)
    }


def _is_code_of(value, forbidden):
    function = getattr(value, "__func__", value)
    is_code = isinstance(function, types.FunctionType) and function.__name__ != "__reduce__"
    return is_code and function.__module__.startswith(forbidden)


def _ran(*args, **kwargs):
    raise AssertionError("code for images ran")


def test_the_words_of_the_world_are_those_that_its_expert_says():
    world = PictureWorld()
    for seed in range(8):
        _, info = world.reset(seed=seed)
        assert info["expert_action"] in WORDS
        while "expert_action" in info:
            _, _, _, _, info = world.step(info["expert_action"])
        assert info["won"]


@pytest.mark.slow
@pytest.mark.parametrize(("sync", "freeze_tower"), [("adapter", True), ("merged", False)])
def test_adapters_of_a_model_that_sees_reach_the_engine(picture_config, build, sync, freeze_tower):
    config = picture_config()
    config.llm(lora={"rank": 8, "alpha": 16, "sync": sync}, images={"freeze_tower": freeze_tower})
    trained(build(config), iterations=3)
