"""A run on two EnvRunners, in turns and asynchronous: processes die, stop and go on."""

import time
from pathlib import Path

import pytest
from faults.command import Command, command, num_iterations, write_experiment
from faults.distributed.faulty_engine import ENGINE

pytestmark = pytest.mark.slow

IN_TURNS = ".env_runners(num_env_runners=2, num_cpus_per_env_runner=0.5, overdue_group_s=5)"
MODES = pytest.mark.parametrize(
    "more",
    [IN_TURNS, f"{IN_TURNS}.async_training(max_staleness=1)"],
    ids=["in turns", "asynchronous"],
)
RUNNER = "ray::GroupEnvRunner"
TESTS = Path(__file__).parents[2]


def training(tmp_path: Path, model: Path, *, more: str, args=(), stop: int = 14):
    """Run `rllib train` with short iterations and a checkpoint every two."""
    file = write_experiment(tmp_path / "mine.py", model=model, seconds=0.2, more=more, stop=stop)
    options = ("--output", str(tmp_path), "--experiment-name", "run", "--checkpoint-freq", "2")
    return command(
        *("train", "file", str(file), *options, "--ray-num-cpus", "4", *args),
        output=tmp_path / "log",
        env={"PYTHONPATH": str(TESTS)},
    )


def await_iterations(running: Command, tmp_path: Path, number: int) -> None:
    running.wait_for(lambda: num_iterations(tmp_path / "run") >= number)


def ends_well(running: Command, tmp_path: Path, number: int) -> None:
    assert running.end(timeout_s=240) == 0, running.output
    assert running.left() == []
    assert num_iterations(tmp_path / "run") == number


@MODES
@pytest.mark.fault("B25", promise="Groups of a dead EnvRunner are played by the others.")
def test_a_killed_runner(tmp_path, model, more, record_property):
    with training(tmp_path, model, more=more) as running:
        await_iterations(running, tmp_path, 3)
        running.started(RUNNER)[0].kill()
        ends_well(running, tmp_path, 14)
    record_property("lost", "nothing")


@MODES
@pytest.mark.fault("B25", promise="A run whose EnvRunners all die waits until one is back.")
def test_all_runners_killed(tmp_path, model, more, record_property):
    with training(tmp_path, model, more=more) as running:
        await_iterations(running, tmp_path, 3)
        for process in running.started(RUNNER):
            process.kill()
        ends_well(running, tmp_path, 14)
    record_property("lost", "nothing")


@MODES
@pytest.mark.fault("B26", promise="A dead environment worker costs its groups, which are redrawn.")
def test_a_killed_environment_worker(tmp_path, model, more, record_property):
    more += ".env_runners(num_env_workers=1, num_cpus_per_env_worker=0.1)"
    with training(tmp_path, model, more=more) as running:
        await_iterations(running, tmp_path, 3)
        running.started("ray::EnvWorker")[0].kill()
        ends_well(running, tmp_path, 14)
    record_property("lost", "the groups in the worker")


@MODES
@pytest.mark.parametrize("fault", ["loses", "fails"])
@pytest.mark.fault("B28", promise="Groups of a failed engine are played by the others.")
def test_a_failed_engine(tmp_path, model, more, fault, record_property):
    file = tmp_path / "has_failed"
    plan = {"fault": fault, "at": 3, "file": str(file)}
    more += f".inference(engine={ENGINE!r}, engine_kwargs={plan})"
    with training(tmp_path, model, more=more) as running:
        ends_well(running, tmp_path, 14)
    assert file.exists()
    record_property("lost", "nothing")


@MODES
@pytest.mark.fault("B25", promise="An EnvRunner may die while it loads weights.")
def test_a_runner_killed_while_weights_travel(tmp_path, model, more, record_property):
    file = tmp_path / "has_died"
    plan = {"fault": "dies", "at": 3, "file": str(file)}
    more += f".inference(engine={ENGINE!r}, engine_kwargs={plan})"
    with training(tmp_path, model, more=more) as running:
        ends_well(running, tmp_path, 14)
    assert file.exists()
    record_property("lost", "nothing")


@MODES
@pytest.mark.fault(
    "B27", promise="A stopped EnvRunner is passed over; it returns with new weights."
)
def test_a_stopped_runner(tmp_path, model, more, record_property):
    with training(tmp_path, model, more=more, stop=40) as running:
        await_iterations(running, tmp_path, 3)
        process = running.started(RUNNER)[0]
        process.suspend()
        await_iterations(running, tmp_path, 8)  # without it
        process.resume()
        ends_well(running, tmp_path, 40)
    assert "Traceback" not in running.output
    record_property("lost", "the groups of the stopped EnvRunner, which others played")


@pytest.mark.fault("B16", promise="An asynchronous run goes on after the death of a Learner.")
@pytest.mark.parametrize("num_learners", [1, 2])
def test_a_killed_learner_of_an_asynchronous_run(tmp_path, model, num_learners, record_property):
    more = f"{IN_TURNS}.async_training(max_staleness=1)"
    more += f".learners(num_learners={num_learners}, num_cpus_per_learner=0.5)"
    with training(tmp_path, model, more=more, args=("--max-failures", "1")) as running:
        await_iterations(running, tmp_path, 5)
        running.started("_WrappedExecutable")[0].kill()
        ends_well_after_a_restart(running, tmp_path)
    record_property("lost", "the iterations since the last checkpoint, and groups in flight")


def ends_well_after_a_restart(running: Command, tmp_path: Path) -> None:
    start = time.monotonic()
    assert running.end(timeout_s=300) == 0, running.output
    assert time.monotonic() - start < 300
    assert running.left() == []
    assert num_iterations(tmp_path / "run") >= 14
