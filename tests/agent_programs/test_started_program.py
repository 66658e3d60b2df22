"""Programs under way: what they get, how they end, and that none outlives its starter."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from rllib_gigpo.agent_programs.started_program import (
    ProgramAccess,
    check_program,
    start_program,
)
from rllib_gigpo.errors import ConfigError

ACCESS = ProgramAccess("http://localhost/v1", "key", seed=7, is_training=True)


def ended(program):
    for _ in range(600):
        end = program.poll()
        if end is not None:
            program.end()
            return end
        time.sleep(0.05)
    raise AssertionError("the program goes on")


def is_running(pid):
    """Return whether a process still runs after five seconds at most."""
    for _ in range(100):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rpartition(") ")[2].startswith("Z"):
            return False
        time.sleep(0.05)
    return True


def everything(**arguments):
    return arguments


async def later(seed, times=2):
    return seed * times


@pytest.mark.parametrize(
    ("program", "result"),
    [
        (lambda seed: seed + 1, 8),
        (lambda: "nothing", "nothing"),
        (later, 14),
        (
            everything,
            {"base_url": "http://localhost/v1", "api_key": "key", "seed": 7, "is_training": True},
        ),
    ],
)
def test_a_function_gets_the_arguments_that_it_names(program, result):
    assert ended(start_program(program, ACCESS)).result == result


def test_a_function_that_exits_has_failed():
    assert "SystemExit" in ended(start_program(lambda: sys.exit(1), ACCESS)).error


def test_an_argument_that_programs_do_not_get_is_a_mistake():
    with pytest.raises(ConfigError, match="takes wings, but a program gets only base_url"):
        check_program(lambda seed, wings: None)


def test_a_command_gets_words_and_variables():
    words = ["sh", "-c", "echo {seed} $TASK_SEED $OPENAI_BASE_URL $OPENAI_API_KEY"]
    assert ended(start_program(words, ACCESS)).result == "7 7 http://localhost/v1 key\n"


def test_no_proxy_stands_between_a_command_and_the_endpoint(monkeypatch):
    monkeypatch.setenv("no_proxy", "intranet")
    monkeypatch.delenv("NO_PROXY", raising=False)
    words = ["sh", "-c", "echo $NO_PROXY $no_proxy"]
    assert ended(start_program(words, ACCESS)).result == "intranet,localhost intranet,localhost\n"


def test_of_a_long_output_the_end_is_kept():
    words = ["sh", "-c", "yes x | head -c 3000000; echo the end"]
    result = ended(start_program(words, ACCESS)).result
    assert len(result) == 100_000
    assert result.endswith("the end\n")


def test_the_last_words_of_a_command_are_known_while_it_runs():
    words = ["sh", "-c", "for i in 1 2 3; do echo word $i >&2; done; sleep 600"]
    program = start_program(words, ACCESS)
    for _ in range(600):
        if "word 3" in program.last_words():
            break
        time.sleep(0.05)
    assert program.last_words() == "; its last words: word 1\nword 2\nword 3"
    program.end()


def test_a_command_that_is_not_there_is_a_mistake():
    with pytest.raises(ConfigError, match="there is no command 'no-such-agent'"):
        check_program(["no-such-agent"])


def test_a_command_that_is_ended_takes_its_children_with_it(tmp_path):
    note = tmp_path / "pid"
    program = start_program(["sh", "-c", f"sleep 600 & echo $! > {note}; wait"], ACCESS)
    pid = written_pid(note)
    program.end()
    assert not is_running(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not end such a process")
def test_a_command_does_not_outlive_a_starter_that_is_killed(tmp_path):
    note = tmp_path / "pid"
    script = (
        "import time\n"
        "from rllib_gigpo.agent_programs.started_program import ProgramAccess, start_program\n"
        "access = ProgramAccess('url', 'key', seed=7, is_training=True)\n"
        f"start_program(['sh', '-c', 'sleep 600 & echo $! > {note}; wait'], access)\n"
        "time.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", script])
    try:
        pid = written_pid(note)
    finally:
        starter.kill()
        starter.wait()
    assert not is_running(pid)


def written_pid(note):
    for _ in range(1200):
        if note.exists() and note.read_text().strip():
            return int(note.read_text())
        time.sleep(0.05)
    raise AssertionError("the command did not start")
