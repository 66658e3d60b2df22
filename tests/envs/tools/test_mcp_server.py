"""MCP servers as tools: a real server of the package ``mcp``, in its own process."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import pytest
from support.games.typed_calls import step_typed

from rllib_gigpo.envs import check_env

pytest.importorskip("mcp")

SERVER = Path(__file__).parents[2] / "support" / "games" / "mcp_stock.py"
COMMAND = [sys.executable, str(SERVER)]


class Asker:
    """Asks for apples; its own tool adds."""

    def reset(self, seed: int) -> str:
        self.reward = 0.0
        return f"How many apples are there, {seed}?"

    def add(self, a: int, b: int) -> int:
        """Add."""
        return a + b

    def get_reward(self, answer):
        return float(answer == "3")


@pytest.fixture
def make():
    made = []

    def make(**server):
        setting = {"command": COMMAND, **server}
        made.append(
            gymnasium.make(
                "rllib_gigpo.envs:Tools-v0",
                disable_env_checker=True,
                environment=Asker,
                mcp={key: value for key, value in setting.items() if value is not None},
            )
        )
        return made[-1]

    yield make
    for env in made:
        env.close()


def test_tools_of_a_server_join_those_of_the_class(make):
    env = make(tools=["stock", "num_calls"])
    functions = {one["function"]["name"]: one["function"] for one in env.unwrapped.tools}
    assert list(functions) == ["add", "stock", "num_calls"]
    assert functions["stock"]["description"] == "Say how many pieces of a good there are."
    assert functions["stock"]["parameters"]["required"] == ["good"]
    env.reset(seed=1)
    assert step_typed(env, "stock('apples')")[0] == "3"
    assert step_typed(env, "add(1, 2)")[0] == "3"
    assert (
        "there is no argument 'god' (did you mean 'good'?)" in step_typed(env, "stock(god='x')")[0]
    )
    assert step_typed(env, "stock('pears')")[0].startswith("Error: ")
    assert step_typed(env, "die()")[2]  # not among the tools, so it is an answer


def test_a_state_of_the_server_lasts_unless_it_is_restarted(make):
    for restart, second in ((False, "2"), (True, "1")):
        env = make(restart=restart)
        for expected in ("1", second):
            env.reset(seed=1)
            assert step_typed(env, "num_calls()")[0] == expected


def test_a_server_that_dies_ends_the_episode_and_is_started_again(make):
    env = make(timeout_s=20)
    env.reset(seed=1)
    with pytest.raises(RuntimeError, match=r"The MCP server .* failed at die"):
        step_typed(env, "die()")
    env.reset(seed=1)
    assert step_typed(env, "stock('figs')")[0] == "4"


def test_a_server_that_takes_too_long_is_an_error_and_not_a_hang(make):
    env = make(timeout_s=2)
    env.reset(seed=1)
    with pytest.raises(RuntimeError, match=r"failed at wait: .*timeout_s=2"):
        step_typed(env, "wait(60)")


@pytest.fixture
def url():
    """Start the server on a free port and yield where it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*COMMAND, str(port)])
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/mcp"
    process.kill()
    process.wait()


def test_a_server_behind_a_url_is_used_by_several_environments(make, url):
    for number in (1, 2):
        env = make(command=None, url=url)
        env.reset(seed=1)
        assert step_typed(env, "stock('apples')")[0] == "3"
        assert step_typed(env, "num_calls()")[0] == str(number)


@pytest.mark.parametrize(
    ("server", "error", "told"),
    [
        ({"command": None}, ValueError, "either 'command' or 'url'"),
        ({"url": "http://127.0.0.1:1/mcp"}, ValueError, "either 'command' or 'url'"),
        ({"command": "python x.py"}, ValueError, "are lists"),
        ({"port": 3}, ValueError, "mcp needs dicts with command, url"),
        ({"tools": ["sotck"]}, ValueError, "has no tool 'sotck'; it has stock, num_calls"),
        ({"command": ["no_such_program_0815"]}, RuntimeError, "cannot be reached"),
        ({"command": [sys.executable, "-c", "1"], "timeout_s": 20}, RuntimeError, "cannot be"),
    ],
)
def test_a_wrong_server_is_a_clear_error(make, server, error, told):
    with pytest.raises(error, match=told):
        make(**server)


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ImportError, match=r'pip install "rllib-gigpo\[mcp\]"'):
        gymnasium.make("rllib_gigpo.envs:Tools-v0", environment=Asker, mcp={"command": COMMAND})


def test_an_environment_with_a_server_keeps_the_contract():
    config = {"environment": Asker, "mcp": {"command": COMMAND, "tools": ["stock"]}}
    report = check_env("rllib_gigpo.envs:Tools-v0", env_config=config, num_episodes=2, max_steps=4)
    report.raise_if_broken()
