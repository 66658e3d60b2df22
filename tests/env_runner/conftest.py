"""Rollouts with a scripted engine."""

import gymnasium as gym
import pytest
from env_runner.walk import SAMPLING, SETTINGS, TEMPLATE, finish
from ray.rllib.connectors.env_to_module import EnvToModulePipeline
from ray.rllib.connectors.module_to_env import ModuleToEnvPipeline
from support.scripted_engine import ScriptedEngine

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.connectors.env_to_module.add_history import AddHistory
from rllib_gigpo.connectors.env_to_module.observation_to_text import ObservationToText
from rllib_gigpo.connectors.env_to_module.render_prompt import RenderPrompt
from rllib_gigpo.connectors.module_to_env.action_to_env import ActionToEnv
from rllib_gigpo.connectors.module_to_env.decode_response import DecodeResponse
from rllib_gigpo.connectors.module_to_env.parse_action import ParseAction
from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.pools.env_pool import SerialEnvs
from rllib_gigpo.env_runner.rollout import Rollout
from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.prompting.action_parser import ActionParser
from rllib_gigpo.prompting.memory import LastSteps
from rllib_gigpo.prompting.renderer import PromptRenderer
from rllib_gigpo.prompting.template import PromptTemplate
from rllib_gigpo.rl_modules.engine_module import EngineModule


@pytest.fixture(scope="session")
def tokenizer():
    return build_tokenizer(["go left go right You stand at door 1 of 6. Go to door 3."] * 4, 400)


@pytest.fixture
def scripted_engine(tokenizer):
    def make(answer, **kwargs):
        return ScriptedEngine(tokenizer, answer, **kwargs)

    return make


@pytest.fixture
def make_rollout(tokenizer, scripted_engine):
    """Return a function that makes (rollout, scripted engine)."""

    def make(
        env,
        answer,
        *,
        settings=SETTINGS,
        envs=None,
        space=None,
        pieces=(),
        to_text=None,
        source=TEMPLATE,
        **engine,
    ):
        scripted = scripted_engine(answer, **engine)
        template = PromptTemplate.from_name_or_source(source)
        rollout = Rollout(
            EngineModule(scripted, observation_space=None, action_space=None),
            envs or SerialEnvs(EnvSource(env, {})),
            env_to_module=EnvToModulePipeline(
                connectors=[
                    ObservationToText(to_text),
                    AddHistory(LastSteps(2), to_text),
                    RenderPrompt(PromptRenderer(tokenizer, template, max_prompt_tokens=500)),
                    *pieces,
                ]
            ),
            module_to_env=ModuleToEnvPipeline(
                connectors=[
                    DecodeResponse(tokenizer),
                    ParseAction(ActionParser(action_tag=None, think_tag=None)),
                    ActionToEnv(space or gym.spaces.Text(100)),
                    *pieces,
                ]
            ),
            settings=settings,
        )
        return rollout, scripted

    return make


@pytest.fixture
def play(make_rollout):
    """Return a function that plays groups of some seeds and returns (result, engine)."""

    def run(env, answer, seeds, *, group_size=3, envs=None, **options):
        pool = envs or SerialEnvs(EnvSource(env, {}))
        rollout, engine = make_rollout(env, answer, envs=pool, **options)
        rollout.start(
            [GroupTask(index, seed, group_size, SAMPLING) for index, seed in enumerate(seeds)]
        )
        result = finish(rollout)
        pool.close()
        return result, engine

    return run
