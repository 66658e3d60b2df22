"""`--resume`: what goes on, from where, and what is refused; real Tune, a fake algorithm."""

import json
import re
import shutil
from pathlib import Path

import pytest
from faults.small_disk import DAMAGES, fill, small_disk

from rllib_gigpo.cli.main import main
from rllib_gigpo.cli.training import resumption
from rllib_gigpo.cli.training.closing_report import report_unfinished
from rllib_gigpo.cli.training.run_record import RunRecord

COMMANDS = Path(__file__).parents[1] / "commands"
EXPERIMENT = COMMANDS / "fake_experiment.py"

pytestmark = pytest.mark.usefixtures("ray_session")


def train(*options: str, file: Path = EXPERIMENT) -> int:
    return main(["train", "file", str(file), *options])


def start(
    output: Path, *options: str, file: Path = EXPERIMENT, fails: str = '"fails_at": 3'
) -> Path:
    """Start a run that saves each iteration and fails; return its folder."""
    place = ("--output", str(output), "--experiment-name", "run", "--checkpoint-freq", "1")
    failing = ("--set", f"env_config={{{fails}}}")
    assert train(*place, *failing, *options, file=file) == 1
    return output / "run"


@pytest.fixture(scope="module")
def failed_run(ray_session, tmp_path_factory) -> Path:
    """Start a run that fails in iteration 3 of 3."""
    return start(tmp_path_factory.mktemp("failed"))


@pytest.fixture
def run(failed_run: Path, tmp_path: Path) -> Path:
    """Copy the failed run; Tune's record is valid in a moved folder too.

    In one session of Ray, Tune gathers the results of all runs of one name and time in one place.
    """
    return Path(shutil.copytree(failed_run, tmp_path / tmp_path.name))


def slowly(*cases: str) -> list:
    """Mark further cases of a test as slow."""
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


def results(run: Path) -> list[list[dict]]:
    files = sorted(run.glob("*/result.json"))
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def iterations(run: Path) -> list[list[int]]:
    return [[one["training_iteration"] for one in lines] for lines in results(run)]


def state_file(run: Path) -> Path:
    return max(run.glob("experiment_state-*.json"))


HEALED = ("--set", "env_config={}")


@pytest.mark.fault("B4", promise="After a fault in a save, a resumed run goes on to its end.")
@pytest.mark.parametrize(
    "fails", ['"save_fails_at": 2', pytest.param('"fails_at": 3', marks=pytest.mark.slow)]
)
def test_a_resumed_run_goes_on_to_the_end(tmp_path, fails):
    run = start(tmp_path, "--stop", '{"training_iteration": 6}', fails=fails)
    assert train("--resume", str(run), *HEALED) == 0
    (seen,) = iterations(run)
    assert sorted(set(seen)) == [1, 2, 3, 4, 5, 6]
    assert len(list(run.glob("*/checkpoint_*"))) == 2  # still as many as at the start


@pytest.mark.fault("B3", "B7", promise="A torn newest checkpoint is passed over, with the reason.")
@pytest.mark.parametrize("damage", ["half", *slowly("missing", "empty")])
def test_a_run_is_resumed_from_the_newest_whole_checkpoint(run, damage, capsys):
    (newest,) = run.glob("*/checkpoint_000001")
    DAMAGES[damage](newest / "rllib_checkpoint.json")
    assert train("--resume", str(run), *HEALED) == 0
    assert iterations(run) == [[1, 2, 2, 3]]
    assert "passed over  checkpoint_000001: rllib_checkpoint.json" in capsys.readouterr().out


@pytest.mark.fault("B3", promise="If Tune's record is torn, a new trial takes the checkpoint.")
@pytest.mark.parametrize("damage", ["half", *slowly("empty")])
def test_a_run_without_a_readable_record_goes_on_in_a_new_trial(run, damage, capsys):
    DAMAGES[damage](state_file(run))
    assert train("--resume", str(run), *HEALED) == 0
    assert sorted(iterations(run)) == [[1, 2], [3]]
    output = capsys.readouterr().out
    assert "passed over  Tune's record of the run: experiment_state-" in output
    assert re.search(r"new trial    it continues from .*checkpoint_000001", output)


@pytest.mark.fault("B3", promise="If Tune's record is torn, a new trial takes the checkpoint.")
@pytest.mark.parametrize("content", [None, *slowly('{"trial_data": [], "runner_data": {}}')])
def test_a_run_whose_record_is_lost_or_lists_nothing_goes_on_in_its_folder(run, content, capsys):
    for file in run.glob("experiment_state-*.json"):
        file.unlink()
    if content:
        (run / "experiment_state-2026-01-01_00-00-00.json").write_text(content)
    assert train("--resume", str(run), *HEALED) == 0
    assert sorted(iterations(run)) == [[1, 2], [3]]
    output = capsys.readouterr().out
    assert re.search(r"passed over  Tune's record of the run: exp.*(missing|lists no)", output)


def test_a_folder_that_only_holds_checkpoints_is_not_a_run(run, capsys):
    (trial,) = (one for one in run.iterdir() if one.is_dir())
    other = run.with_name("other")
    other.mkdir()
    (checkpoint,) = trial.glob("checkpoint_000001")
    shutil.copytree(checkpoint, other / "saved" / checkpoint.name)
    assert train("--resume", str(other)) == 2
    assert "neither a run's folder" in capsys.readouterr().err
    assert [one.name for one in other.iterdir()] == ["saved"]


@pytest.mark.fault("B3", promise="Without a whole checkpoint, --resume stops in a sentence.")
def test_a_torn_record_without_a_checkpoint_is_one_sentence(tmp_path, capsys):
    (tmp_path / "experiment_state-2026-01-01_00-00-00.json").write_text("{")
    assert train("--resume", str(tmp_path)) == 2
    assert "has no whole checkpoint, so there is nothing to resume" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.fault("B3", promise="An older record of Tune is taken if the newest is torn.")
def test_an_older_record_is_taken_if_the_newest_is_torn(run):
    torn = state_file(run).with_name("experiment_state-9999-01-01_00-00-00.json")
    torn.write_text("{")
    assert train("--resume", str(run), *HEALED) == 0
    assert iterations(run) == [[1, 2, 3]]


@pytest.mark.fault("B3", promise="A run is never started from nothing under --resume.")
@pytest.mark.parametrize("is_late", [False, True])
def test_a_run_that_tune_cannot_restore_is_not_started_from_nothing(
    run, monkeypatch, capsys, is_late
):
    def fail(self, resume_config):
        self._search_alg.set_finished() if is_late else None  # then the run has no steps
        raise ValueError("a record of another version")

    monkeypatch.setattr("ray.tune.execution.tune_controller.TuneController.resume", fail)
    assert train("--resume", str(run), *HEALED) == 2
    assert "Tune could not restore the run" in capsys.readouterr().err
    assert iterations(run) == [[1, 2]]


@pytest.mark.fault("B3", "B11", promise="Without a whole checkpoint, --resume stops in a sentence.")
def test_a_run_without_a_whole_checkpoint_is_refused(run, capsys):
    for checkpoint in run.glob("*/checkpoint_*"):
        shutil.rmtree(checkpoint)
    assert train("--resume", str(run), *HEALED) == 2
    assert "has no whole checkpoint, so there is nothing to resume" in capsys.readouterr().err
    assert iterations(run) == [[1, 2]]


@pytest.mark.slow
@pytest.mark.fault("B3", promise="After a full disk is freed, the run goes on where it was.")
def test_a_run_whose_disk_was_full_goes_on_from_its_checkpoint(tmp_path, capsys, record_property):
    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        run = start(disk)
        capsys.readouterr()
        ballast = fill(disk)
        # The trial ends when it cannot save, the driver reports it, and no traceback escapes.
        stop = ("--stop", '{"training_iteration": 5}')
        assert train("--resume", str(run), *HEALED, *stop) in (1, 2)
        output = capsys.readouterr()
        assert "No space left on device" in output.out + output.err
        ballast.unlink()
        assert train("--resume", str(run), *HEALED, *stop) == 0
        assert iterations(run)[0][-1] == 5
        assert len(iterations(run)) == 1
    record_property("lost", "the iterations since the last whole checkpoint")


@pytest.mark.slow
@pytest.mark.fault("B11", promise="A new --stop counts, for a finished run too.")
def test_a_new_stop_counts(run, capsys):
    assert train("--resume", str(run), *HEALED, "--stop", '{"training_iteration": 4}') == 0
    assert iterations(run) == [[1, 2, 3, 4]]
    assert train("--resume", str(run)) == 2
    assert "has already finished; to continue, pass a larger --stop" in capsys.readouterr().err
    assert train("--resume", str(run), "--stop", '{"training_iteration": 5}') == 0
    assert iterations(run) == [[1, 2, 3, 4, 5]]


@pytest.mark.slow
@pytest.mark.fault("B11", promise="Changed settings and a changed file count and are printed.")
def test_changed_settings_and_a_changed_file_count(tmp_path, capsys):
    file = Path(shutil.copy(EXPERIMENT, tmp_path / "mine.py"))
    run = start(tmp_path, file=file)
    assert train("--resume", str(run), *HEALED, "--set", "lr=0.5", file=file) == 0
    assert "changed      lr: 0.001 -> 0.5" in capsys.readouterr().out
    file.write_text(file.read_text().replace('"training_iteration": 3', '"training_iteration": 5'))
    file.write_text(file.read_text() + "config.training(lr=0.25)\n")
    # lr was given when the run was last started: its value in the file does not count against it.
    assert train("--resume", str(run), file=file) == 0
    assert [one["lr"] for one in results(run)[0]] == [0.001, 0.001, 0.5, 0.5, 0.5]


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.fault("B11", promise="Functions and classes of the file count as they are now.")
def test_changed_code_of_the_file_counts(tmp_path, capsys):
    file = Path(shutil.copy(EXPERIMENT, tmp_path / "mine.py"))
    text = file.read_text()
    file.write_text(text + "config.more = {'note': lambda: 1}\n")
    run = start(tmp_path, file=file)
    file.write_text(text + "config.more = {'note': lambda: 2}\n")
    assert train("--resume", str(run), *HEALED, file=file) == 0
    assert "as in file   note" in capsys.readouterr().out
    assert [one["note"] for one in results(run)[0]] == [1, 1, 2]
    file.write_text(text.replace('"training_iteration": 3', '"training_iteration": 4'))
    file.write_text(file.read_text() + "config.more = {'note': 'none'}\n")
    assert train("--resume", str(run), file=file) == 0
    assert "-> 'none'" in capsys.readouterr().out
    assert [one["note"] for one in results(run)[0]] == [1, 1, 2, "none"]


@pytest.mark.slow
@pytest.mark.fault("B11", promise="If it is unknown what the file changed, this is said.")
@pytest.mark.parametrize("damage", ["missing", "half"])
def test_a_lost_record_of_the_settings_is_told(run, damage, capsys):
    DAMAGES[damage](run / "rllib_run.jsonl")
    assert train("--resume", str(run), *HEALED, "--set", "lr=0.5") == 0
    output = capsys.readouterr().out
    assert "unknown      what the file has changed: rllib_run.jsonl is missing or torn" in output
    assert [one["lr"] for one in results(run)[0]] == [0.001, 0.001, 0.5]
    assert json.loads((run / "rllib_run.jsonl").read_text())["given"] == ["env_config", "lr"]


@pytest.mark.fault("B11", promise="An option that a resumed run cannot follow is refused by name.")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "/elsewhere"], "--output /elsewhere cannot be combined with --resume"),
        (["--experiment-name", "new"], "--experiment-name new cannot be combined"),
        (["--set", 'lr={"grid_search": [1, 2]}'], "the run searches nothing, but the experiment"),
    ],
)
def test_what_a_resumed_run_cannot_follow_is_refused(run, options, message, capsys):
    assert train("--resume", str(run), *options) == 2
    assert message in capsys.readouterr().err
    assert iterations(run) == [[1, 2]]


@pytest.mark.slow
def test_each_trial_of_a_search_goes_on_with_its_own_value(tmp_path):
    search = ("--set", 'lr={"grid_search": [0.1, 0.2]}')
    run = start(tmp_path, *search)
    assert train("--resume", str(run), *search, *HEALED) == 0
    assert [[one["lr"] for one in lines] for lines in results(run)] == [[0.1] * 3, [0.2] * 3]


@pytest.mark.slow
def test_how_often_checkpoints_are_saved_may_change(run):
    options = ("--checkpoint-freq", "0", "--keep-checkpoints", "3", "--no-checkpoint-at-end")
    assert train("--resume", str(run), *HEALED, *options) == 0
    assert len(list(run.glob("*/checkpoint_*"))) == 2


@pytest.mark.fault("B7", promise="--resume takes a trial's folder, and refuses a torn checkpoint.")
def test_a_trial_and_a_checkpoint_start_a_new_run(run, tmp_path, capsys):
    (trial,) = run.glob("*/")
    (newest,) = run.glob("*/checkpoint_000001")
    (newest / "rllib_checkpoint.json").write_text("")
    assert train("--resume", str(newest), "--output", str(tmp_path / "b")) == 2
    assert "checkpoint_000000, which is whole" in capsys.readouterr().err
    assert train("--resume", str(trial), "--output", str(tmp_path / "b")) == 0
    (new_run,) = (tmp_path / "b").iterdir()
    assert iterations(new_run) == [[2, 3]]
    assert (
        f"new run      it continues from {trial / 'checkpoint_000000'}" in capsys.readouterr().out
    )


@pytest.mark.fault("B11", promise="Ctrl-C before the first checkpoint does not promise one.")
def test_an_interrupt_says_what_there_is_to_resume(run, capsys):
    capsys.readouterr()
    report_unfinished(run, how="interrupted")
    assert f"--resume {run}" in capsys.readouterr().out
    for checkpoint in run.glob("*/checkpoint_*"):
        shutil.rmtree(checkpoint)
    report_unfinished(run, how="interrupted")
    output = capsys.readouterr().out
    assert "before the first checkpoint, so there is nothing to resume" in output
    assert "--resume" not in output


def test_the_guard_lets_a_restored_run_pass():
    guard = resumption.ResumeGuard({"a"}, Path("run"))
    guard.on_step_begin(0, [type("Restored", (), {"trial_id": "a"})()])


def test_a_record_is_replaced_whole_or_not_at_all(tmp_path: Path):
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        record = RunRecord({"lr": 1}, (), {})
        record.write(disk)
        fill(disk)
        with pytest.raises(OSError, match="No space left"):
            RunRecord({"lr": "x" * 9999}, (), {}).write(disk)
        assert RunRecord.read(disk) == record
        assert {one.name for one in disk.iterdir()} == {"ballast", "rllib_run.jsonl"}
