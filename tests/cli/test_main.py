import os
import subprocess
import sys

import pytest

from rllib_gigpo.cli.commands import envs
from rllib_gigpo.cli.main import main


def test_ctrl_c_ends_a_command_without_a_traceback(monkeypatch, capsys):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(envs, "run", interrupted)
    assert main(["envs"]) == 130
    assert capsys.readouterr().err == "rllib: interrupted\n"


def test_a_reader_that_ends_early_ends_a_command_without_a_traceback():
    read_end, write_end = os.pipe()
    os.close(read_end)  # as `| head` does
    command = [sys.executable, "-m", "rllib_gigpo.cli.main", "settings"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, "")


def test_another_broken_pipe_stays_an_error(monkeypatch):
    def broken(args):
        raise BrokenPipeError("of a worker")

    monkeypatch.setattr(envs, "run", broken)
    with pytest.raises(BrokenPipeError, match="of a worker"):
        main(["envs"])
