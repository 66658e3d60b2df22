"""`rllib` as a user runs it: its own process and session, and every process that it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from support.shells import hear_ctrl_c

EXPERIMENT = """
import time

from ray.rllib.callbacks.callbacks import RLlibCallback

from rllib_gigpo import GiGPOConfig


class Slowly(RLlibCallback):
    def on_train_result(self, *, algorithm, result, **kwargs):
        time.sleep({seconds})


config = (
    GiGPOConfig()
    .environment("rllib_gigpo.envs:Corridor-v0", env_config={{"length": 3, "max_steps": 6}})
    .llm(model_path={model!r}, max_prompt_tokens=256, max_response_tokens=4)
    .prompting(template="compact", action_tag=None, think_tag=None)
    .inference(engine="transformers")
    .tasks(num_train_tasks=8, num_test_tasks=4, max_episode_steps=6)
    .training(group_size=4, num_groups=2, num_minibatches=2, lr=1e-3, kl_coeff=0.0)
    .callbacks(Slowly)
    .reporting(transcripts={{"interval": 0}})
    .debugging(seed=0)
    {more}
)
stop = {{"training_iteration": {stop}}}
"""


def write_experiment(
    file: Path, *, model: Path, seconds: float = 0.0, stop: int = 1000, more: str = ""
) -> Path:
    """Write an experiment whose iterations last at least so many seconds."""
    file.write_text(EXPERIMENT.format(model=str(model), seconds=seconds, stop=stop, more=more))
    return file


class Command:
    """A running `rllib`, whose output is in a file."""

    def __init__(
        self, *arguments: str, output: Path, env: dict[str, str] | None = None, **how: Any
    ):
        self._file = output
        with output.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rllib_gigpo.cli.main", *arguments],
                env={**os.environ, "RAY_TMPDIR": "/tmp", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=hear_ctrl_c,
                **how,
            )

    @property
    def output(self) -> str:
        """Everything that it has printed."""
        return self._file.read_text(errors="replace")

    def wait_for(self, condition: Callable[[], Any], *, timeout_s: float = 120.0) -> None:
        """Wait until something has happened; fail if the command ends before."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def end(self, *, timeout_s: float = 120.0) -> int:
        """Wait for its end and return its status, as a shell reports it."""
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s:g} s:\n{self.output}") from None
        return status if status >= 0 else 128 - status

    def started(self, *names: str) -> list[psutil.Process]:
        """Return the processes that it started, all or those whose command line has a name."""
        found = []
        for process in psutil.process_iter():
            try:
                is_its = os.getsid(process.pid) == self.process.pid
                line = " ".join(process.cmdline())
                is_its &= process.status() != psutil.STATUS_ZOMBIE
            except (psutil.Error, OSError):
                continue
            if is_its and (not names or any(name in line for name in names)):
                found.append(process)
        return found

    def left(self, *, timeout_s: float = 20.0) -> list[str]:
        """Return the processes that are still there after so many seconds."""
        deadline = time.monotonic() + timeout_s
        while (left := self.started()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return [" ".join(process.cmdline())[:150] for process in left]

    def close(self) -> None:
        """End everything that it started."""
        for process in self.started():
            with suppress(psutil.Error):
                process.kill()


def script_result(file: Path, *arguments: str) -> dict[str, Any]:
    """Run a script of the tests in its own cluster; return the JSON of its last line."""
    tests = str(Path(__file__).parents[1])
    ended = subprocess.run(
        [sys.executable, str(file), *arguments],
        env={**os.environ, "PYTHONPATH": tests, "RAY_TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


def num_iterations(run: Path) -> int:
    """Count the results of a run with one trial."""
    return sum(len(file.read_text().splitlines()) for file in run.glob("*/result.json"))


@contextmanager
def command(*arguments: str, output: Path, **how: Any) -> Iterator[Command]:
    """Run `rllib`, and end all its processes afterwards."""
    running = Command(*arguments, output=output, **how)
    try:
        yield running
    finally:
        running.close()
        running.process.wait()
