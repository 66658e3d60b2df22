"""A server that the environment starts by itself, and that ends with it."""

import contextlib
import subprocess
import sys
import urllib.error
import urllib.request

import psutil
import pytest
from support.games.open_env_servers import OPEN_ENV
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.making import make
from rllib_gigpo.envs.open_env.client.server_place import PackagedServer
from rllib_gigpo.envs.open_env.messages import OpenEnvError

PACKAGE = "support.games.packaged_corridor"


def servers(process=None):
    """The processes of packaged servers below a process."""
    children = (process or psutil.Process()).children(recursive=True)
    return [one for one in children if any("packaged_app.py" in part for part in one.cmdline())]


def test_a_package_is_served_until_the_environment_is_closed():
    env = make(OPEN_ENV, package=PACKAGE)
    (server,) = servers()
    assert env.reset(seed=0)[0].startswith("You stand at door")
    env.close()
    assert not server.is_running()
    assert env.reset(seed=0)[0].startswith("You stand at door")
    env.close()
    assert servers() == []


def test_a_packaged_environment_keeps_the_contract():
    report = check_env(OPEN_ENV, env_config={"package": PACKAGE}, num_episodes=2)
    assert report.is_ok, str(report)
    assert servers() == []


def test_a_server_that_dies_is_started_again_at_the_next_reset():
    env = make(OPEN_ENV, package=PACKAGE)
    before, _ = env.reset(seed=4)
    (server,) = servers()
    server.kill()
    server.wait()
    with pytest.raises(OpenEnvError, match="closed the connection"):
        env.step("go left")
    assert env.reset(seed=4)[0] == before
    env.close()


def test_a_server_ends_when_the_process_is_killed(tmp_path):
    script = (
        "import time\n"
        "from rllib_gigpo.envs.making import make\n"
        f"env = make({OPEN_ENV!r}, package={PACKAGE!r})\n"
        "print('made', flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script]
    path = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=path) as owner:
        assert owner.stdout.readline() == b"made\n"
        (server,) = servers(psutil.Process(owner.pid))
        owner.kill()
    server.wait(30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"package": "no_such_package_x"},
            r"package must be.*got 'no_such_package_x'",
        ),
        ({"package": "../x"}, "an installed OpenEnv package"),
        ({"package": "x", "python": "/no/python"}, "path of an interpreter; got '/no/python'"),
    ],
)
def test_a_package_that_is_missing_is_told_before_anything_starts(options, message):
    with pytest.raises(ValueError, match=message):
        make(OPEN_ENV, **options)


def test_a_package_that_cannot_be_served_is_told(capfd):
    with pytest.raises(OpenEnvError, match=r"The server of json:no_app ended at once"):
        make(OPEN_ENV, package="json:no_app")
    assert 'Attribute "no_app" not found' in capfd.readouterr().err
    assert servers() == []


def test_a_package_in_another_python_is_served():
    # A bare Python, without this repository on its path, has no such package.
    with pytest.raises(OpenEnvError, match="ended at once"):
        make(OPEN_ENV, package="no_such_package_x", python=sys.executable)


@contextlib.contextmanager
def served_package(package, start_s=60):
    place = PackagedServer(package, python=None, start_s=start_s)
    try:
        yield place.address()
    finally:
        place.close()


def test_web_pages_cannot_reach_a_packaged_server():
    # "raw_asgi" is an application without its own check.
    page = {"Origin": "http://evil.example"}
    with served_package("support.games.raw_asgi:app") as address:
        with urllib.request.urlopen(address.http) as answer:
            assert answer.read() == b"hello"
        asked = urllib.request.Request(f"{address.http}/reset", method="POST", headers=page)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(asked)
        with connect(address.websocket, proxy=None) as socket:
            assert socket.recv(timeout=20) == "played"
        with pytest.raises(InvalidStatus, match="403"):
            connect(address.websocket, proxy=None, origin=page["Origin"])


def test_the_environment_of_a_package_is_closed_before_its_server_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("RAW_ASGI_DIARY", str(tmp_path / "diary"))
    with contextlib.ExitStack() as stack:
        with served_package("support.games.raw_asgi:app") as address:
            socket = stack.enter_context(connect(address.websocket, proxy=None))
            assert socket.recv(timeout=20) == "played"
        assert (tmp_path / "diary").read_text() == "closed"


def test_a_package_that_prints_a_port_of_its_own_is_not_misread():
    with served_package("support.games.raw_asgi:app") as address:
        assert not address.http.endswith(":1")
        with urllib.request.urlopen(address.http) as answer:
            assert answer.status == 200
