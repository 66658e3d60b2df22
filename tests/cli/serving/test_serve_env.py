"""`rllib serve-env`: serves an environment, or reports why it cannot."""

import os
import signal
import subprocess
import sys

import pytest
from support.games.open_env_servers import CORRIDOR, OPEN_ENV, serving
from support.shells import hear_ctrl_c

from rllib_gigpo.cli import main
from rllib_gigpo.cli.serving import serve_env
from rllib_gigpo.envs.making import make
from rllib_gigpo.envs.open_env.messages import OpenEnvError


def parse(*argv):
    return main.build_parser().parse_args(["serve-env", *map(str, argv)])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_serves_until_it_is_told_to_stop(number, status):
    command = [sys.executable, "-m", "rllib_gigpo.cli.main", "serve-env", CORRIDOR, "--port", "0"]
    options = ["--env-config", '{"length": 3}', "--max-sessions", "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, *options], stdout=pipe, stderr=pipe, text=True, preexec_fn=hear_ctrl_c
    ) as server:
        name, url = server.stdout.readline().split()
        assert name == "environment"
        assert url.startswith("http://127.0.0.1:")
        env = make(OPEN_ENV, url=url, reconnect_s=0)
        assert env.reset(seed=0)[0].endswith("of 3.")
        with pytest.raises(OpenEnvError, match="1/1 sessions"):
            make(OPEN_ENV, url=url)
        os.kill(server.pid, number)
        assert server.wait(60) == status
        with pytest.raises(OpenEnvError):
            env.step("go left")
        assert "Traceback" not in server.stderr.read()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["no_module_x:Nothing-v0"], "no_module_x:Nothing-v0 cannot be served"),
        (["rllib_gigpo.envs:Nothing-v0"], "Nothing"),
        (["CartPole-v1"], "The actions of CartPole-v1 are Discrete(2), not text"),
        ([CORRIDOR, "--env-config", '{"length": 1}'], "length must be a whole number"),
        ([CORRIDOR, "--env-config", '{"width": 1}'], "width"),
        ([CORRIDOR, "--host", "192.0.2.1"], "Cannot listen on 192.0.2.1:8000"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(argv, message, capsys):
    assert main.main(["serve-env", *argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("rllib: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_port_that_another_server_has_is_told_with_the_fix(capsys):
    with serving() as server:
        assert main.main(["serve-env", CORRIDOR, "--port", str(server.port)]) == 2
    assert "Choose another --host or --port" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--port", "65536"], ["--max-sessions", "0"], ["--env-config", "[]"]]
)
def test_an_impossible_option_is_refused(options, capsys):
    with pytest.raises(SystemExit):
        parse(CORRIDOR, *options)
    assert "serve-env: error" in capsys.readouterr().err


def test_a_missing_package_is_told_with_its_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "websockets", None)
    monkeypatch.setattr("rllib_gigpo.envs.open_env.server.env_server.find_spec", lambda name: None)
    assert main.main(["serve-env", CORRIDOR, "--port", "0"]) == 2
    assert 'pip install "rllib-gigpo[openenv]"' in capsys.readouterr().err


def test_it_listens_on_this_machine_unless_told():
    assert parse(CORRIDOR).host == "127.0.0.1"
    assert serve_env.make_server(parse(CORRIDOR, "--port", 0)).url.startswith("http://127.0.0.1:")
