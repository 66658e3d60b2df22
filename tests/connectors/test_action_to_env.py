"""Action text -> environment action, for Text and Discrete spaces."""

from types import SimpleNamespace

import gymnasium as gym
import pytest

from rllib_gigpo import columns
from rllib_gigpo.connectors.module_to_env.action_to_env import SKIP_STEP, ActionToEnv
from rllib_gigpo.errors import EnvContractError
from rllib_gigpo.prompting import ActionParser


def translate(connector, *answers, admissible=None):
    info = {} if admissible is None else {"admissible_actions": admissible}
    episodes = [SimpleNamespace(get_infos=lambda index: info)] * len(answers)
    parsed = [ActionParser(action_tag=None).parse(answer, admissible) for answer in answers]
    batch = connector(batch={columns.PARSED_ACTIONS: parsed}, episodes=episodes)
    is_admissible = [one.is_admissible for one in batch[columns.PARSED_ACTIONS]]
    return batch[columns.ENV_ACTIONS], is_admissible


def test_a_text_space_gets_the_text():
    assert translate(ActionToEnv(gym.spaces.Text(9)), "go left") == (["go left"], [True])


def test_meanings_name_the_numbers_from_the_start_of_the_space():
    connector = ActionToEnv(gym.spaces.Discrete(2, start=5), action_meanings=["Left", "Right"])
    assert translate(connector, "right", "LEFT") == ([6, 5], [True, True])


def test_without_meanings_the_admissible_actions_do():
    connector = ActionToEnv(gym.spaces.Discrete(3))
    assert translate(connector, "b", admissible=("a", "b")) == ([1], [True])


def test_a_numeral_is_the_number_itself():
    assert translate(ActionToEnv(gym.spaces.Discrete(3)), "2") == ([2], [True])


@pytest.mark.parametrize("answer", ["fly", "7"])
def test_what_names_no_action_is_not_admissible_and_executes_the_noop_or_nothing(answer):
    space = gym.spaces.Discrete(2)
    connector = ActionToEnv(space, action_meanings=["left", "right"])
    assert translate(connector, answer) == ([SKIP_STEP], [False])
    connector = ActionToEnv(space, action_meanings=["left", "right"], noop_action=0)
    assert translate(connector, answer) == ([0], [False])


def test_a_space_that_takes_no_text_is_an_error():
    with pytest.raises(EnvContractError, match="neither Text nor Discrete"):
        ActionToEnv(gym.spaces.Box(0, 1))


@pytest.mark.fault("case 13", promise="A number of any size in an answer is not an error.")
@pytest.mark.parametrize("answer", [str(10**30), "-" + "9" * 30, "9" * 5000])
def test_a_huge_number_names_no_action(answer):
    assert translate(ActionToEnv(gym.spaces.Discrete(3)), answer) == ([SKIP_STEP], [False])


def test_spaces_around_an_admissible_action_do_not_count():
    connector = ActionToEnv(gym.spaces.Discrete(3))
    assert translate(connector, "b", admissible=("a", " B ")) == ([1], [True])
