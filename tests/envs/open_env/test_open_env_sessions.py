"""Sessions that are slow, lost, refused, idle or broken, on both sides."""

import json
import threading
import time

import pytest
from support.games.open_env_servers import (
    OPEN_ENV,
    error,
    foreign_server,
    observed,
    serving,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from rllib_gigpo.envs.contract import NoRoomError
from rllib_gigpo.envs.making import make
from rllib_gigpo.envs.open_env.client import patient_opening
from rllib_gigpo.envs.open_env.client.observation_reader import ObservationReader
from rllib_gigpo.envs.open_env.client.patient_opening import open_patiently
from rllib_gigpo.envs.open_env.client.play_session import PlaySession
from rllib_gigpo.envs.open_env.client.server_address import ServerAddress
from rllib_gigpo.envs.open_env.client.server_schema import ServerSchema
from rllib_gigpo.envs.open_env.messages import OpenEnvError
from rllib_gigpo.envs.open_env.server.env_server import EnvServer


def websocket(url):
    return connect(f"ws{url.removeprefix('http')}/ws", proxy=None, max_size=2**24)


def ask(socket, kind, data=None):
    socket.send(json.dumps({"type": kind, "data": data or {}}))
    return json.loads(socket.recv(timeout=20))


def wait_and(server, call):
    """Call once the server has given up all sessions."""
    while server.app.num_sessions:
        time.sleep(0.01)
    return call()


def react_slowly_at_first():
    """Answer the first step after the client's patience, with text that must not be seen."""
    pauses = [1.0]

    def react(kind, data):
        if kind == "step" and pauses:
            return pauses.pop()
        return observed({"reply": f"{kind} {data.get('seed', data.get('message'))}"})

    return react


def test_an_answer_that_comes_too_late_is_an_error_and_is_never_taken_for_another():
    with foreign_server(react_slowly_at_first()) as server:
        env = make(OPEN_ENV, url=server.url, timeout_s=0.3)
        env.reset(seed=1)
        with pytest.raises(OpenEnvError, match=r"'step' within timeout_s=0\.3\. Raise"):
            env.step("a")
        with pytest.raises(OpenEnvError, match="is lost; reset begins another"):
            env.step("b")
        assert env.reset(seed=2)[0] == "reset 2"
        assert env.step("c")[0] == "step c"
        env.close()


def test_a_server_that_comes_back_is_found_again_at_the_next_reset():
    with serving() as server:
        env = make(OPEN_ENV, url=server.url)
        before, _ = env.reset(seed=3)
    with pytest.raises(OpenEnvError, match="closed the connection during 'step'"):
        env.step("go left")
    with serving(port=server.port):
        assert env.reset(seed=3)[0] == before
        assert env.step("go left")[3] is False
        env.close()


def test_a_server_that_stays_away_is_an_error_after_the_wait():
    with serving() as server:
        env = make(OPEN_ENV, url=server.url, reconnect_s=0.3)
        env.reset(seed=3)
    with pytest.raises(OpenEnvError, match="No OpenEnv server can be reached"):
        env.reset(seed=3)
    with pytest.raises(OpenEnvError, match="No OpenEnv server can be reached"):
        make(OPEN_ENV, url=server.url, reconnect_s=0.3)


def test_a_wait_for_a_server_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(patient_opening, "_TELL_S", 0.0)
    address = ServerAddress.parse("http://127.0.0.1:9")

    def away():
        raise OpenEnvError("Nobody answers.")

    for _ in range(2):
        assert open_patiently(lambda: "open", address, wait_s=0.5) == "open"
        with pytest.raises(OpenEnvError, match="Nobody answers"):
            open_patiently(away, address, wait_s=0.5)
    told = "Waiting up to 0.5 s for a server to come back. Nobody answers."
    assert [record.getMessage() for record in caplog.records] == [told, told]


def test_only_the_first_environment_waits_for_a_server_that_stays_away():
    address, tries = ServerAddress.parse("http://127.0.0.1:9"), list[int]()

    def away():
        tries[-1] += 1
        raise OpenEnvError("away")

    assert open_patiently(lambda: "open", address, wait_s=0.3) == "open"
    for _ in range(3):
        tries.append(0)
        with pytest.raises(OpenEnvError, match="away"):
            open_patiently(away, address, wait_s=0.3)
    assert tries[0] > 1
    assert tries[1:] == [1, 1]


def test_a_full_server_says_what_to_raise_and_a_free_place_is_taken():
    with serving(max_sessions=1) as server:
        first = make(OPEN_ENV, url=server.url)
        threading.Timer(0.5, first.close).start()
        second = make(OPEN_ENV, url=server.url)  # waits for the place
        second.reset(seed=0)
        with pytest.raises(NoRoomError, match=r"is full: .*1/1 sessions.*--max-sessions N"):
            make(OPEN_ENV, url=server.url)
        second.close()


def test_an_idle_session_ends_and_the_next_reset_opens_another():
    with serving(idle_timeout_s=0.3) as server:
        with websocket(server.url) as socket:
            message = json.loads(socket.recv(timeout=20))
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=20)
        assert message["data"]["code"] == "SESSION_ERROR"
        assert message["data"]["message"] == "The session was idle for 0.3 s"
        env = make(OPEN_ENV, url=server.url)
        env.reset(seed=0)
        with pytest.raises(OpenEnvError, match="The session was idle"):
            wait_and(server, lambda: env.step("go left"))
        with pytest.raises(OpenEnvError, match="is lost; reset begins another"):
            env.step("go left")
        env.reset(seed=0)
        assert wait_and(server, lambda: env.reset(seed=1))[0]
        env.close()


def test_a_session_that_an_episode_spoilt_is_replaced():
    resets = []

    def react(kind, data):
        resets.append(kind)
        return error("EXECUTION_ERROR") if len(resets) == 2 else observed({"reply": "hi"})

    with foreign_server(react) as server:
        env = make(OPEN_ENV, url=server.url)
        for _ in range(2):
            assert env.reset(seed=0)[0] == "hi"
        assert resets == ["reset", "reset", "close", "reset"]
        env.close()


def test_an_error_of_the_environment_costs_the_episode_only():
    def react(kind, data):
        if kind == "step":
            return error("EXECUTION_ERROR", "the world ended")
        return observed({"reply": "hi"})

    with foreign_server(react) as server:
        env = make(OPEN_ENV, url=server.url)
        env.reset(seed=0)
        with pytest.raises(OpenEnvError, match="with EXECUTION_ERROR: the world ended"):
            env.step("x")
        assert env.reset(seed=0)[0] == "hi"
        env.close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("no json", "answered 'reset' with something else"),
        ("[1]", "answered 'reset' with something else"),
        ("[" * 100_000, "answered 'reset' with something else"),
        (None, "closed the connection during 'reset'"),
        ({"type": "observation", "data": {"observation": "x"}}, "is not an observation of OpenEnv"),
        (observed({"reply": "x"}, reward="much"), "is not an observation of OpenEnv"),
        (observed({"reply": "x"}, done="yes"), "is not an observation of OpenEnv"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told(answer, message):
    with foreign_server(lambda kind, data: answer) as server:
        env = make(OPEN_ENV, url=server.url)
        with pytest.raises(OpenEnvError, match=message):
            env.reset(seed=0)
        env.close()


def test_the_server_answers_what_it_cannot_use_and_goes_on():
    with serving(max_action_chars=10) as server, websocket(server.url) as socket:
        socket.send("{")
        assert json.loads(socket.recv(timeout=20))["data"]["code"] == "INVALID_JSON"
        assert ask(socket, "mcp")["data"]["code"] == "UNKNOWN_TYPE"
        assert ask(socket, "step", {"text": "x"})["data"]["code"] == "EXECUTION_ERROR"
        for data in ({"seed": -1}, {"seed": "1"}, {"sede": 1}, {"options": 3}, {"episode_id": 1}):
            assert ask(socket, "reset", data)["data"]["code"] == "VALIDATION_ERROR"
        assert ask(socket, "reset", {"seed": 1, "episode_id": "e"})["type"] == "observation"
        for data in (
            {},
            {"text": 3},
            {"message": "x"},
            {"text": "x", "more": 1},
            {"text": "x" * 11},
        ):
            assert ask(socket, "step", data)["data"]["code"] == "VALIDATION_ERROR"
        assert ask(socket, "step", {"text": "go left"})["type"] == "observation"
        assert ask(socket, "state")["data"] == {"episode_id": "e", "step_count": 1}


def test_a_message_beyond_the_limit_ends_the_connection():
    with serving(max_action_chars=10) as server, websocket(server.url) as socket:
        socket.send(json.dumps({"type": "step", "data": {"text": "x" * 10_000}}))
        with pytest.raises(ConnectionClosed, match="1009"):
            socket.recv(timeout=20)


def test_a_page_in_a_browser_cannot_play():
    with serving() as server, pytest.raises(InvalidStatus, match="403"):
        connect(f"ws{server.url.removeprefix('http')}/ws", proxy=None, origin="http://evil.example")


def test_a_client_that_vanishes_gives_its_place_back():
    with serving(max_sessions=1) as server:
        for _ in range(3):
            with wait_and(server, lambda: websocket(server.url)) as socket:
                ask(socket, "reset", {"seed": 0})
                socket.socket.close()
            env = wait_and(server, lambda: make(OPEN_ENV, url=server.url))
            assert server.app.num_sessions == 1
            env.close()


@pytest.mark.parametrize("call", ["__init__", "reset", "step", "close"])
def test_an_environment_that_ends_the_process_ends_its_episode_only(call, monkeypatch, tmp_path):
    (tmp_path / f"rude_{call}.py").write_text(
        "import sys\n"
        "import gymnasium\n"
        "from rllib_gigpo.envs.corridor import CorridorEnv\n"
        "class Rude(CorridorEnv):\n"
        "    calls = 0\n"
        f"    def {call}(self, *args, **options):\n"
        "        Rude.calls += 1\n"
        "        if Rude.calls == 3:\n"
        "            sys.exit('bye')\n"
        f"        return super().{call}(*args, **options)\n"
        f"gymnasium.register('Rude-{call}-v0', Rude, disable_env_checker=True)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def played_once():
        env = make(OPEN_ENV, url=server.url)
        for seed in range(2):
            env.reset(seed=seed)
            env.step("a")
        env.close()

    with serving(f"rude_{call}:Rude-{call}-v0") as server:
        results = []
        for _ in range(3):
            try:
                played_once()
                results.append("")
            except OpenEnvError as error:
                results.append(str(error))
        told = [result for result in results if "SystemExit: bye" in result]
    # A lost session is replaced at reset, and nobody hears of a failed close.
    assert len(told) == (call in ("__init__", "step"))
    assert len([result for result in results if not result]) == 3 - len(told)


def test_an_environment_that_cannot_be_made_is_told(monkeypatch):
    with serving("rllib_gigpo.envs:FrozenLake-v0") as server:
        monkeypatch.setattr(
            "rllib_gigpo.envs.open_env.server.served_env.ServedEnv.make", lambda self: 1 / 0
        )
        with pytest.raises(OpenEnvError, match="FACTORY_ERROR: ZeroDivisionError"):
            make(OPEN_ENV, url=server.url)


def test_an_interrupted_question_ends_the_session_so_that_its_answer_is_never_taken(monkeypatch):
    with foreign_server(lambda kind, data: observed({"reply": f"for {data}"})) as server:
        session = PlaySession(ServerAddress.parse(server.url), timeout_s=20)

        def interrupted(text):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("rllib_gigpo.envs.open_env.client.play_session.decode", interrupted)
            with pytest.raises(KeyboardInterrupt):
                session.ask("reset", {"seed": 1})
        with pytest.raises(OpenEnvError, match="is lost; reset begins another"):
            session.ask("reset", {"seed": 2})


def test_a_long_step_outlives_the_limits_of_pings():
    # Each answer has its own limit, and a busy side answers no ping.
    with serving() as server:
        session = PlaySession(ServerAddress.parse(server.url), timeout_s=20)
        assert session._socket.ping_interval is None
        session.close()
    assert EnvServer(None)._server.config.ws_ping_timeout >= 300


def test_an_observation_too_deep_to_be_shown_is_told():
    deep = []
    for _ in range(3000):
        deep = [deep]
    reader = ObservationReader(ServerSchema({}, frozenset(), {}), "json", None)
    with pytest.raises(OpenEnvError, match="nested too deeply"):
        reader.read({"observation": {"x": deep}})
