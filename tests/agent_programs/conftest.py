"""Agent programs on a scripted engine, over a real socket."""

import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from support.scripted_engine import ScriptedEngine

from rllib_gigpo.agent_programs.program_rollouts import ProgramRollouts
from rllib_gigpo.agent_programs.program_settings import ProgramSettings
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.config.sections.prompts import PromptSection
from rllib_gigpo.engines.inference_engine import SamplingSettings
from rllib_gigpo.env_runner.rollout import RolloutSettings
from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.rl_modules.engine_module import EngineModule

SETTINGS = RolloutSettings(max_episode_steps=6, seed=0, env_name="my program")
SAMPLING = SamplingSettings(max_tokens=16)


@pytest.fixture(scope="session")
def tokenizer():
    return build_tokenizer(["up down You stand on floor 1 of 6. Go to floor 3."] * 4, 400)


@pytest.fixture
def endpoint(tokenizer):
    """Return a context that gives (rollout, scripted engine) of a program."""

    @contextmanager
    def open_endpoint(
        answer,
        *,
        max_prompt_tokens=500,
        settings=SETTINGS,
        tools="auto",
        delay=lambda prompt: 1,
        **env_config,
    ):
        engine = ScriptedEngine(tokenizer, answer, delay=delay)
        program = ProgramSettings.from_config(env_config)
        maker = ProgramRollouts(
            {True: program, False: program},
            tokenizer,
            prompts=PromptSection(tools=tools),
            max_prompt_tokens=max_prompt_tokens,
        )
        module = EngineModule(engine, observation_space=None, action_space=None)
        try:
            yield maker.make(module, settings, {}), engine
        finally:
            maker.close()

    return open_endpoint


@pytest.fixture
def play(endpoint):
    """Return a function that plays groups of some seeds and returns (result, engine)."""

    def run(answer, *, seeds=(0,), group_size=2, sampling=SAMPLING, **options):
        with endpoint(answer, **options) as (rollout, engine):
            rollout.start(
                [GroupTask(i, seed, group_size, sampling) for i, seed in enumerate(seeds)]
            )
            return finish(rollout), engine

    return run


def finish(rollout, *, limit_s=60.0):
    start = time.monotonic()
    while not rollout.is_done and time.monotonic() < start + limit_s:
        rollout.advance()
    assert rollout.is_done
    return rollout.take_result()


def changed(**changes):
    return replace(SETTINGS, **changes)
