"""A scripted engine with the real interface: a function of the prompt gives each answer."""

from collections import deque

import gymnasium as gym
import numpy as np
import pytest
from env_runner.walk import SAMPLING, SETTINGS, TEMPLATE, finish
from ray.rllib.connectors.env_to_module import EnvToModulePipeline
from ray.rllib.connectors.module_to_env import ModuleToEnvPipeline

from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.token_uncertainty import TokenUncertainty
from rllib_gigpo.connectors.env_to_module.add_history import AddHistory
from rllib_gigpo.connectors.env_to_module.observation_to_text import ObservationToText
from rllib_gigpo.connectors.env_to_module.render_prompt import RenderPrompt
from rllib_gigpo.connectors.module_to_env.action_to_env import ActionToEnv
from rllib_gigpo.connectors.module_to_env.decode_response import DecodeResponse
from rllib_gigpo.connectors.module_to_env.parse_action import ParseAction
from rllib_gigpo.engines.inference_engine import EngineSettings, Generation, InferenceEngine
from rllib_gigpo.env_runner.env_pool import SerialEnvs
from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.env_runner.rollout import Rollout
from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.prompting.action_parser import ActionParser
from rllib_gigpo.prompting.memory import LastSteps
from rllib_gigpo.prompting.renderer import PromptRenderer
from rllib_gigpo.prompting.template import PromptTemplate
from rllib_gigpo.rl_modules.engine_module import EngineModule


class ScriptedEngine(InferenceEngine):
    """An engine that runs ``max_running`` prompts at a time, each for ``delay(prompt)`` polls."""

    def __init__(self, tokenizer, answer, *, delay=lambda prompt: 1):
        super().__init__(EngineSettings(model_path="none", max_model_len=10_000))
        self.tokenizer = tokenizer
        self.answer, self.delay = answer, delay
        self.running = deque()
        self.requests = []
        self.batch_sizes = []
        self.aborted = []
        self.version = 0
        self.num_answers = 0

    def start(self):
        pass

    def submit(self, requests):
        for request in requests:
            prompt = self.tokenizer.decode(list(request.prompt_token_ids))
            self.requests.append((request, prompt))
            self.running.append([self.delay(prompt), request, prompt])

    def poll(self):
        self.batch_sizes.append(len(self.running))
        for entry in self.running:
            entry[0] -= 1
        done = [entry for entry in self.running if entry[0] <= 0]
        self.running = deque(entry for entry in self.running if entry[0] > 0)
        return [self._generation(request, prompt) for _, request, prompt in done]

    def _generation(self, request, prompt):
        ids = [*self.tokenizer.encode(self.answer(prompt)), self.tokenizer.eos_token_id]
        return Generation(
            request_id=request.request_id,
            token_ids=ids,
            logp=np.full(len(ids), -0.5, np.float32),
            weight_version=self.version,
            finish_reason="stop",
            token_versions=np.full(len(ids), self.version),
            uncertainty=self._uncertainty(len(ids)) if request.with_uncertainty else None,
        )

    def _uncertainty(self, num_tokens):
        """Return entropies that rise from answer to answer."""
        self.num_answers += 1
        return TokenUncertainty(
            entropy=np.full(num_tokens, self.num_answers, np.float32),
            top_logp=np.zeros((num_tokens, 2), np.float32),
            vocab_size=4,
        )

    @property
    def num_unfinished(self):
        return len(self.running)

    def abort(self, request_ids):
        self.aborted += request_ids
        self.running = deque(e for e in self.running if e[1].request_id not in request_ids)

    def load_weights(self, named_tensors, version):
        self.version = version

    @property
    def weight_version(self):
        return self.version

    def weights_checksum(self):
        return str(self.version)

    def sleep(self):
        pass

    def wake(self):
        pass

    def stop(self):
        pass


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
