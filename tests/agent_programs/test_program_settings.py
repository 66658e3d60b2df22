"""The settings of an agent's program: what they accept, and mistakes that name the cure."""

import gymnasium as gym
import pytest
from agent_programs.climbers import climb

from rllib_gigpo.agent_programs.program_env import AgentProgramEnv, program_settings_of
from rllib_gigpo.agent_programs.program_settings import ProgramSettings
from rllib_gigpo.errors import ConfigError, EnvContractError

PLAY = "agent_programs.climbers:climb"


def test_functions_are_imported_by_name():
    settings = ProgramSettings.from_config({"program": PLAY, "reward": "math:floor"})
    assert settings.program is climb
    assert settings.reward(1.5) == 1


def test_a_command_is_a_list_of_words():
    assert ProgramSettings.from_config({"program": ["echo", "{seed}"]}).program == (
        "echo",
        "{seed}",
    )


@pytest.mark.parametrize(
    ("env_config", "part"),
    [
        ({}, "env_config needs a program"),
        ({"program": PLAY, "rewards": "math:floor"}, "did you mean 'reward'"),
        ({"program": "math:root"}, r"env_config\['program'\]='math:root' cannot be imported"),
        ({"program": 3}, "neither a function nor its 'module:name' nor a command"),
        ({"program": []}, "a list of words"),
        ({"program": ["no-such-agent"]}, "there is no command 'no-such-agent'"),
        ({"program": "math:hypot"}, "cannot be started|takes"),
        ({"program": PLAY, "reward": ["a"]}, r"env_config\['reward'\]"),
        ({"program": PLAY, "timeout_s": 0}, "timeout_s=0 must be above 0"),
        ({"program": PLAY, "timeout_s": "long"}, "timeout_s"),
    ],
)
def test_mistakes_name_the_key(env_config, part):
    with pytest.raises(ConfigError, match=part):
        ProgramSettings.from_config(env_config)


def test_the_id_makes_an_environment_that_holds_the_settings():
    env = gym.make("rllib_gigpo.agent_programs:AgentProgram-v0", program=PLAY)
    assert isinstance(env.unwrapped, AgentProgramEnv)
    settings = program_settings_of(env)
    assert settings is not None
    assert settings.timeout_s == 600


@pytest.mark.parametrize("call", [lambda env: env.reset(seed=0), lambda env: env.step("up")])
def test_it_cannot_be_stepped(call):
    with pytest.raises(EnvContractError, match="plays whole episodes in `rllib train`"):
        call(AgentProgramEnv(program=PLAY))
