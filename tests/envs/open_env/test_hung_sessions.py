"""Steps that never return: what they cost the other sessions, and the server itself."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from support.games import hanging_game
from support.games.open_env_servers import OPEN_ENV, serving
from support.shells import hear_ctrl_c
from websockets.sync.client import connect

from rllib_gigpo.envs.making import make
from rllib_gigpo.envs.open_env.messages import OpenEnvError

THREADS = "support.games.hanging_game:HangingThread-v0"


@pytest.fixture(autouse=True)
def fresh_game():
    hanging_game.go_on.clear()
    for count in (hanging_game.hanging, hanging_game.closed):
        while count.acquire(blocking=False):
            pass
    yield
    hanging_game.go_on.set()


@contextmanager
def a_hung_step(server):
    """Begin a step that hangs, in its own session, which stays open inside the block."""
    with connect(f"ws{server.url.removeprefix('http')}/ws", proxy=None) as socket:
        socket.send(json.dumps({"type": "reset", "data": {"seed": 0}}))
        socket.recv(timeout=20)
        while hanging_game.closed.acquire(blocking=False):  # the one that `serving` tried out
            pass
        socket.send(json.dumps({"type": "step", "data": {"text": "hang"}}))
        assert hanging_game.hanging.acquire(timeout=20)
        yield socket


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_hung_step_leaves_sessions_in_other_threads_alone():
    with serving(THREADS) as server, a_hung_step(server):
        env = make(OPEN_ENV, url=server.url)
        env.reset(seed=0)
        assert env.step("go")[0] == "go"
        env.close()


@pytest.mark.parametrize("env_id", [hanging_game.ID, THREADS])
def test_a_hung_step_ends_its_session_and_others_go_on(env_id):
    with serving(env_id, step_timeout_s=0.5, max_sessions=1) as server:
        with a_hung_step(server) as socket:
            told = json.loads(socket.recv(timeout=20))
            assert told["data"]["code"] == "SESSION_ERROR"
            assert "did not answer within 0.5 s. Raise the server's --step" in str(told)
        wait_until(lambda: server.app.num_sessions == 0)
        assert not hanging_game.closed.acquire(blocking=False)
        env = make(OPEN_ENV, url=server.url)
        env.reset(seed=0)
        assert env.step("go")[0] == "go"
        hanging_game.go_on.set()
        assert hanging_game.closed.acquire(timeout=20)  # the hung one, once it has come back
        env.close()


def test_a_client_that_leaves_a_hung_step_frees_its_place():
    with serving(THREADS, step_timeout_s=3600, max_sessions=1) as server:
        with a_hung_step(server):
            assert server.app.num_sessions == 1
        wait_until(lambda: server.app.num_sessions == 0)
        assert not hanging_game.closed.acquire(blocking=False)
        hanging_game.go_on.set()
        assert hanging_game.closed.acquire(timeout=20)


def test_an_environment_that_takes_turns_plays_none_beside_a_step_whose_client_has_left():
    with serving(hanging_game.ID, step_timeout_s=3600) as server:
        with a_hung_step(server):
            pass
        with pytest.raises(OpenEnvError, match="did not answer 'state' within"):
            make(OPEN_ENV, url=server.url, timeout_s=0.5, reconnect_s=0)
        hanging_game.go_on.set()
        env = make(OPEN_ENV, url=server.url)
        assert env.reset(seed=0)[0] == "ready"
        env.close()


def test_an_environment_whose_making_hangs_is_told(monkeypatch):
    with serving(hanging_game.ID, step_timeout_s=0.3) as server:
        monkeypatch.setattr(
            "rllib_gigpo.envs.open_env.server.served_env.ServedEnv.make",
            lambda self: hanging_game.go_on.wait(),
        )
        with pytest.raises(OpenEnvError, match=r"FACTORY_ERROR: .* did not answer within 0\.3 s"):
            make(OPEN_ENV, url=server.url)


def test_an_interrupt_ends_the_server_during_a_hung_step():
    command = [sys.executable, "-m", "rllib_gigpo.cli.main", "serve-env", hanging_game.ID]
    path = {**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)}
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, env=path, preexec_fn=hear_ctrl_c
    ) as server:
        url = server.stdout.readline().split()[1].decode()
        with connect(f"ws{url.removeprefix('http')}/ws", proxy=None) as socket:
            for message in (("reset", {}), ("step", {"text": "go"})):
                socket.send(json.dumps({"type": message[0], "data": message[1]}))
                socket.recv(timeout=20)
            socket.send(json.dumps({"type": "step", "data": {"text": "hang"}}))
            socket.send(json.dumps({"type": "state"}))
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.5)
            server.send_signal(signal.SIGINT)
            try:
                assert server.wait(60) == 130
            finally:
                server.kill()
