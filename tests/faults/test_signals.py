"""Real signals to a real `rllib train`: a report, a checkpoint, a true hint, no process left."""

import json
import os
import signal
from pathlib import Path

import pytest
from faults.command import Command, command, num_iterations, write_experiment

from rllib_gigpo.checkpoints.finder import newest_checkpoint, trials_in

pytestmark = pytest.mark.slow


def training(tmp_path: Path, model: Path, *, seconds: float = 0.5, more: str = "", args=()):
    """Run `rllib train` with a checkpoint every two iterations."""
    file = write_experiment(tmp_path / "mine.py", model=model, seconds=seconds, more=more)
    options = ("--output", str(tmp_path), "--experiment-name", "run", "--checkpoint-freq", "2")
    return command(
        "train", "file", str(file), *options, "--ray-num-cpus", "3", *args, output=tmp_path / "log"
    )


def await_iterations(running: Command, tmp_path: Path, number: int) -> None:
    running.wait_for(lambda: num_iterations(tmp_path / "run") >= number)


def to_command(running: Command, number: int) -> None:
    running.process.send_signal(number)


def to_group(running: Command, number: int) -> None:
    os.killpg(running.process.pid, number)


@pytest.mark.fault(
    "B17", "case 21", promise="SIGTERM and SIGHUP end a run as Ctrl-C: checkpoint, report, hint."
)
@pytest.mark.parametrize(
    ("send", "number"),
    [
        (to_command, signal.SIGINT),
        (to_command, signal.SIGTERM),
        (to_command, signal.SIGHUP),
        (to_group, signal.SIGTERM),
    ],
    ids=["int", "term", "hup", "term to the group"],
)
def test_a_signal_ends_a_run_with_a_checkpoint(tmp_path, model, send, number, record_property):
    with training(tmp_path, model) as running:
        await_iterations(running, tmp_path, 3)
        send(running, number)
        assert running.end() == 128 + number, running.output
        assert running.left() == []
    done = num_iterations(tmp_path / "run")
    assert f"repeat the command with\n             --resume {tmp_path / 'run'}" in running.output
    assert "*** SIG" not in running.output  # Ray's stack dump
    assert "Traceback" not in running.output
    resumed = resume(tmp_path)
    assert resumed[done] == done + 1  # nothing is played twice
    record_property("lost", "nothing")


def resume(tmp_path: Path) -> list[int]:
    """Go on for two iterations, and return the numbers of all iterations in the results."""
    goal = num_iterations(tmp_path / "run") + 2
    options = ("--resume", str(tmp_path / "run"), "--stop", f'{{"training_iteration": {goal}}}')
    file = str(tmp_path / "mine.py")
    with command("train", "file", file, *options, output=tmp_path / "resumed") as running:
        assert running.end() == 0, running.output
    return iterations(tmp_path / "run")


def iterations(run: Path) -> list[int]:
    (file,) = run.glob("*/result.json")
    return [json.loads(line)["training_iteration"] for line in file.read_text().splitlines()]


@pytest.mark.fault("B17", promise="A second signal does not wait for the iteration.")
def test_a_second_signal_ends_a_run_at_once(tmp_path, model, record_property):
    with training(tmp_path, model, seconds=600) as running:
        running.wait_for(lambda: running.started("ray::GiGPO.train"))
        to_command(running, signal.SIGTERM)
        to_command(running, signal.SIGTERM)
        assert running.end() == 143, running.output
        assert running.left() == []
    assert "before the first checkpoint, so there is nothing to resume" in running.output
    record_property("lost", "the iteration")


@pytest.mark.fault("B17", promise="After kill -9 of the driver, all its processes end in seconds.")
def test_no_process_survives_a_killed_driver(tmp_path, model, record_property):
    with training(tmp_path, model) as running:
        await_iterations(running, tmp_path, 3)
        to_command(running, signal.SIGKILL)
        assert running.end() == 137
        assert running.left() == []
    record_property("lost", "the iterations since the last checkpoint")


@pytest.mark.fault("B18", promise="The death of Ray's raylet or GCS is a sentence, with a way on.")
@pytest.mark.parametrize(
    ("part", "binary"), [("raylet", "raylet/raylet"), ("gcs_server", "gcs/gcs_")]
)
def test_the_death_of_ray_ends_a_run_with_a_sentence(
    tmp_path, model, part, binary, record_property
):
    with training(tmp_path, model) as running:
        await_iterations(running, tmp_path, 3)
        for process in running.started(binary):
            process.kill()
        assert running.end() == 1
        assert running.left() == []
    assert f"rllib: error: Ray's {part} died (SIGKILL)" in running.output
    assert f"--resume {tmp_path / 'run'}" in running.output
    (trial,) = trials_in(tmp_path / "run")
    assert newest_checkpoint(trial) is not None
    record_property("lost", "the iterations since the last checkpoint")


@pytest.mark.fault("B6", promise="A remote Learner feeds an engine in the driver's process.")
@pytest.mark.fault(
    "B16", promise="The death of a Learner costs the iterations since the last save."
)
@pytest.mark.parametrize("max_failures", [0, 1])
def test_a_killed_learner(tmp_path, model, max_failures, record_property):
    more = ".learners(num_learners=1)"
    args = ("--max-failures", str(max_failures), "--stop", '{"training_iteration": 8}')
    with training(tmp_path, model, more=more, args=args) as running:
        await_iterations(running, tmp_path, 3)
        for process in running.started("_WrappedExecutable"):  # RLlib's name of a Learner's actor
            process.kill()
        status = running.end()
        assert running.left() == []
    if max_failures:
        assert status == 0, running.output
        assert iterations(tmp_path / "run")[-1] == 8
    else:
        assert status == 1, running.output
        assert "A Learner died" in running.output
        assert f"--resume {tmp_path / 'run'}" in running.output
    record_property("lost", "the iterations since the last checkpoint")


@pytest.mark.fault("B16", promise="A Learner that hangs ends the run within the limit, in words.")
def test_a_learner_that_hangs(tmp_path, model, record_property):
    more = ".learners(num_learners=1, update_timeout_s=3)"
    with training(tmp_path, model, more=more) as running:
        await_iterations(running, tmp_path, 2)
        learners = running.started("_WrappedExecutable")
        await_iterations(running, tmp_path, 3)  # the fourth has an update next, and then a save
        for process in learners:
            process.suspend()
        assert running.end(timeout_s=240) == 1, running.output
        assert running.left() == []
    assert "(config.learners(update_timeout_s=...))" in running.output
    assert f"--resume {tmp_path / 'run'}" in running.output
    record_property("lost", "the iterations since the last checkpoint")
