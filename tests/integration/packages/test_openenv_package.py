"""OpenEnv both ways against the package ``openenv`` itself: `make integrations`."""

import importlib
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from support.games.open_env_servers import CORRIDOR, OPEN_ENV, serving

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.corridor import CorridorEnv
from rllib_gigpo.envs.making import make
from rllib_gigpo.envs.open_env.messages import OpenEnvError
from rllib_gigpo.envs.open_env.server.env_app import schema
from rllib_gigpo.envs.open_env.server.env_server import EnvServer

IS_REQUIRED = os.environ.get("RLLIB_GIGPO_OPENENV") == "required"
ACTIONS = ("go left", "go right", "jump", "go right", "go right")


@pytest.fixture(scope="module")
def openenv():
    """Import the package; where it is not expected, its absence skips the test."""
    if IS_REQUIRED:
        return importlib.import_module("openenv")
    return pytest.importorskip("openenv", reason="`make integrations` installs it")


@pytest.fixture(scope="module")
def corridor_app(openenv):
    """Return a function that makes openenv's application of a corridor."""
    from openenv.core.env_server import Environment, create_app
    from openenv.core.env_server.types import Action, Observation, State

    class MoveAction(Action):
        message: str

    class Seen(Observation):
        reply: str

    class Corridor(Environment):
        SUPPORTS_CONCURRENT_SESSIONS = True

        def __init__(self):
            super().__init__()
            self.env, self.steps = CorridorEnv(), State()

        def reset(self, seed=None, episode_id=None, **options):
            text, info = self.env.reset(seed=seed)
            self.steps = State(episode_id=episode_id)
            return Seen(reply=text, metadata=info)

        def step(self, action, timeout_s=None, **options):
            if action.message == "break":
                raise ValueError("it broke")
            text, reward, terminated, truncated, info = self.env.step(action.message)
            return Seen(
                reply=text,
                reward=reward,
                done=terminated or truncated,
                metadata={**info, "truncated": truncated},
            )

        @property
        def state(self):
            return self.steps

    def make_app(max_sessions):
        return create_app(
            Corridor, MoveAction, Seen, env_name="corridor", max_concurrent_envs=max_sessions
        )

    return make_app


@contextmanager
def served(app):
    with EnvServer(app).in_background() as url:
        yield url


def played(env):
    seen = [env.reset(seed=3)]
    for action in ACTIONS:
        seen.append(env.step(action))
        if seen[-1][2] or seen[-1][3]:
            break
    return seen


# ------------------------------------------------------------------ its server, our client


def test_its_server_plays_the_same_episode_as_direct_play(corridor_app):
    with served(corridor_app(4)) as url:
        env = make(OPEN_ENV, url=url)
        assert played(env) == played(CorridorEnv())
        env.close()


def test_check_env_passes_on_its_server(corridor_app):
    with served(corridor_app(16)) as url:
        report = check_env(OPEN_ENV, env_config={"url": url})
    assert report.is_ok, str(report)


def test_its_servers_limit_is_told_with_the_cure(corridor_app):
    with served(corridor_app(1)) as url:
        first = make(OPEN_ENV, url=url)
        with pytest.raises(OpenEnvError, match=r"is full: .*max_concurrent_envs of openenv"):
            make(OPEN_ENV, url=url)
        first.close()


def test_its_errors_end_the_episode_and_its_refusals_do_not(corridor_app):
    with served(corridor_app(1)) as url:
        env = make(OPEN_ENV, url=url)
        env.reset(seed=3)
        with pytest.raises(OpenEnvError, match="EXECUTION_ERROR: it broke"):
            env.step("break")
        assert env.reset(seed=3)
        env.close()
        env = make(OPEN_ENV, url=url, action="json")
        env.reset(seed=3)
        text, reward, *_ = env.step('{"massage": "go left"}')
        assert (text, reward) == ("That is not a valid action. Invalid message.", 0.0)
        assert env.step('{"message": "go left"}')[0].startswith("You stand")
        env.close()


def test_a_run_trains_on_its_server(corridor_app, ray_session, tiny_folder):
    from rllib_gigpo import GiGPOConfig

    with served(corridor_app(64)) as url:
        config = (
            GiGPOConfig()
            .environment(OPEN_ENV, env_config={"url": url})
            .llm(model_path=str(tiny_folder), max_prompt_tokens=256, max_response_tokens=4)
            .prompting(template="compact", action_tag=None, think_tag=None)
            .inference(engine="transformers")
            .tasks(num_train_tasks=8, num_test_tasks=4, max_episode_steps=6)
            .training(group_size=4, num_groups=2, num_minibatches=2, lr=1e-3, kl_coeff=0.0)
            .debugging(seed=0)
        )
        algorithm = config.build_algo()
        result = algorithm.train()["env_runners"]
        algorithm.stop()
    assert result["num_episodes"] == 8
    assert result["num_groups_lost"] == 0


def test_tools_of_its_mcp_environments_are_listed_and_called(openenv):
    from fastmcp import FastMCP
    from openenv.core.env_server import create_app
    from openenv.core.env_server.mcp_environment import MCPEnvironment
    from openenv.core.env_server.mcp_types import CallToolAction, CallToolObservation
    from openenv.core.env_server.types import Observation, State

    class Adder(MCPEnvironment):
        def __init__(self):
            tools = FastMCP("adder")

            @tools.tool
            def add(a: int, b: int) -> int:
                """Add two numbers."""
                return a + b

            super().__init__(tools)

        def reset(self, seed=None, episode_id=None, **options):
            return Observation(metadata={"status": "ready"})

        def _step_impl(self, action, timeout_s=None, **options):
            return Observation(metadata={"error": "unknown"})

        @property
        def state(self):
            return State()

    app = create_app(Adder, CallToolAction, CallToolObservation, env_name="adder")
    with served(app) as url:
        env = make(OPEN_ENV, url=url)
        text, info = env.reset(seed=0)
        assert text == "Begin."
        assert "- add " in info["task"]
        assert info["task"].endswith(": Add two numbers.")
        answer, *_ = env.step('{"tool_name": "add", "arguments": {"a": 2, "b": 3}}')
        assert '"error": null' in answer
        assert "5" in answer
        answer, *_ = env.step('{"tool_name": "subtract", "arguments": {}}')
        assert '"error": {' in answer
        env.close()


@pytest.mark.parametrize("python", [None, sys.executable])
def test_a_package_of_its_template_is_served_and_played(openenv, python, tmp_path, monkeypatch):
    command = [sys.executable, "-m", "openenv.cli", "init", "echoes_env"]
    subprocess.run([*command, "--output-dir", tmp_path], check=True, capture_output=True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # what another Python would have installed
    env = make(OPEN_ENV, package="echoes_env", python=python)
    assert env.reset(seed=0)[0] == "Echoes Env environment ready!"
    assert env.step("hello\nyou")[:2] == ("hello\nyou", pytest.approx(0.9))
    env.close()


# ------------------------------------------------------------------ its client, our server


def test_its_client_plays_our_server(openenv):
    from openenv.core import GenericEnvClient

    direct = played(CorridorEnv())
    with serving(CORRIDOR) as server, GenericEnvClient(base_url=server.url).sync() as client:
        seen = [client.reset(seed=3, episode_id="e1")]
        seen += [client.step({"text": action}) for action in ACTIONS[: len(direct) - 1]]
        assert client.state() == {"episode_id": "e1", "step_count": len(direct) - 1}
    (text, info), *steps = direct
    assert (seen[0].observation["text"], seen[0].reward, seen[0].done) == (text, None, False)
    assert seen[0].observation["task"] == info["task"]
    for result, (text, reward, terminated, truncated, info) in zip(seen[1:], steps, strict=True):
        assert result.observation["text"] == text
        assert (result.reward, result.done) == (reward, terminated or truncated)
        assert result.metadata["won"] is info["won"]
        assert result.metadata["truncated"] is (truncated and not terminated)


def test_its_client_hears_our_errors(openenv):
    from openenv.core import GenericEnvClient

    with (
        serving(CORRIDOR, max_sessions=1) as server,
        GenericEnvClient(base_url=server.url).sync() as client,
    ):
        with pytest.raises(RuntimeError, match=r"ResetNeeded.*EXECUTION_ERROR"):
            client.step({"text": "go left"})
        with pytest.raises(RuntimeError, match="VALIDATION_ERROR"):
            client.step({"message": "go left"})
        assert client.reset(seed=0).observation["text"]
        with (
            GenericEnvClient(base_url=server.url).sync() as other,
            pytest.raises(RuntimeError, match="CAPACITY_REACHED"),
        ):
            other.reset(seed=0)


def test_our_routes_answer_in_its_models(openenv):
    import json
    import urllib.request

    from openenv.core.env_server import types

    with serving(CORRIDOR) as server:

        def got(path):
            return json.loads(urllib.request.urlopen(server.url + path).read())

        assert types.HealthResponse(**got("/health")).status == "healthy"
        assert types.SchemaResponse(**got("/schema")).action == schema()["action"]
        about = types.EnvironmentMetadata(**got("/metadata"))
    assert about.name == CORRIDOR
    assert about.description.startswith("A walk along a corridor")
