"""Reasoning Gym's questions, with the real package behind them."""

import inspect
import re
import sys

import pytest

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.adapters.answers_run_as_code import RUN_ANSWERS
from rllib_gigpo.envs.contract import FIRST_TEST_SEED
from rllib_gigpo.envs.making import make

ENV = "rllib_gigpo.envs:ReasoningGym-v0"
pytest.importorskip("reasoning_gym")

# They differ in how they are made: at once, question by question, from files, or with words.
DATASETS = ("leg_counting", "acre", "word_ladder", "caesar_cipher", "mini_sudoku", "rush_hour")


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_keeps_the_contract(name):
    report = check_env(ENV, env_config={"name": name}, num_episodes=2)
    assert report.is_ok, str(report)


@pytest.mark.parametrize("name", DATASETS[:-1])
def test_the_packages_own_answer_is_right_and_another_is_not(name):
    env = make(ENV, name=name)
    _, info = env.reset(seed=3)
    text, reward, terminated, truncated, after = env.step(f" {info['expert_action']}\n")
    assert (text, reward, terminated, truncated) == ("The answer is right.", 1.0, True, False)
    assert (after["won"], after["score"]) == (True, 1.0)
    env.reset(seed=3)
    text, reward, *_, after = env.step("I do not know")
    assert text.startswith("The answer scores 0")
    assert reward < 1
    assert not after["won"]


def test_a_seed_is_a_question_and_settings_are_the_packages():
    import reasoning_gym

    env = make(ENV, name="leg_counting", max_animals=4)
    questions = set()
    for seed in (0, 1, FIRST_TEST_SEED, 2**31 + 1):
        _, info = env.reset(seed=seed)
        theirs = reasoning_gym.create_dataset(
            "leg_counting", seed=seed % 2**31, size=1, max_animals=4
        )
        assert info["task"] == theirs[0]["question"].strip()
        assert info["task_id"] == f"leg_counting/{seed % 2**31}"
        questions.add(info["task"])
    assert len(questions) == 3  # seeds are taken modulo 2**31


def test_answers_keep_their_lines():
    env = make(ENV, name="mini_sudoku")
    _, info = env.reset(seed=0)
    assert "\n" in info["expert_action"]
    assert env.step(info["expert_action"])[1] == 1.0


def test_the_rest_of_the_process_keeps_its_random_numbers():
    import random

    env = make(ENV, name="caesar_cipher")
    random.seed(7)
    expected = random.random()
    random.seed(7)
    env.reset(seed=0)
    env.step("1")
    assert random.random() == expected


@pytest.mark.parametrize("options", [{"name": "no_such_set"}, {"max_cats": 3}, {"min_animals": -1}])
def test_a_wrong_option_is_told(options):
    with pytest.raises(ValueError, match=r"Fix name=.* in env_config"):
        make(ENV, **options)


# Their modules call eval or a function of that name on their own expressions only.
RUN_THEIR_OWN = {
    "basic_arithmetic",
    "bitwise_arithmetic",
    "codeio",
    "number_sorting",
    "propositional_logic",
}


def test_the_datasets_that_run_answers_are_those_of_the_installed_package():
    from reasoning_gym.factory import DATASETS

    found = set()
    for name, (dataset, _) in DATASETS.items():
        source = inspect.getsource(sys.modules[dataset.__module__])
        if re.search(r"\b(eval|exec|parse_expr|sympify)\(", source):
            found.add(name)
    assert found - RUN_THEIR_OWN == RUN_ANSWERS


@pytest.mark.parametrize("name", [*sorted(RUN_ANSWERS), "composite"])
def test_a_dataset_that_runs_answers_is_refused_with_the_cure(name):
    with pytest.raises(ValueError, match=r"each answer as Python code.*trust_answers=True"):
        make(ENV, name=name)


def test_a_dataset_that_runs_answers_plays_if_they_are_trusted(tmp_path):
    env = make(ENV, name="spiral_matrix", trust_answers=True)
    env.reset(seed=0)
    # The danger itself: this line is why the dataset is refused otherwise.
    env.step(f"[open({str(tmp_path / 'made')!r}, 'w').write('x')]")
    assert (tmp_path / "made").exists()


def test_an_answer_that_ends_the_process_scores_nothing():
    env = make(ENV, name="spiral_matrix", trust_answers=True)
    env.reset(seed=0)
    assert env.step("[__import__('sys').exit()]")[1:4] == (0.0, True, False)


def test_trust_is_yes_or_no():
    with pytest.raises(ValueError, match="trust_answers must be True or False; got 'yes'"):
        make(ENV, trust_answers="yes")
