"""`rllib train` from the command line to the files, with an algorithm that only counts."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rllib_gigpo.cli.main import main
from rllib_gigpo.cli.ray_session import RaySettings
from rllib_gigpo.cli.training.closing_report import command
from rllib_gigpo.cli.training.run_settings import RunSettings
from rllib_gigpo.reports.results import read_result_file

EXPERIMENT = str(Path(__file__).with_name("fake_experiment.py"))

pytestmark = pytest.mark.usefixtures("ray_session")


def train(output: Path, *options: str) -> int:
    return main(["train", "file", EXPERIMENT, "--output", str(output), *options])


def trial_folders(output: Path) -> list[Path]:
    return sorted(file.parent for file in output.glob("*/*/result.json"))


def iterations(folder: Path) -> list[int]:
    return [summary.iteration for summary in read_result_file(folder / "result.json")]


def test_a_run_ends_with_a_checkpoint_a_figure_and_the_next_commands(tmp_path: Path, capsys):
    assert train(tmp_path, "--experiment-name", "mine") == 0

    (folder,) = trial_folders(tmp_path)
    assert folder.parent == tmp_path / "mine"
    assert iterations(folder) == [1, 2, 3]
    assert (folder / "checkpoint_000000" / "rllib_checkpoint.json").is_file()
    assert (folder / "learning_curve.png").is_file()
    output = capsys.readouterr().out
    assert "iteration 3/3  success 30.0%" in output
    assert f"{command()} evaluate {folder / 'checkpoint_000000'}" in output
    assert f"--resume {folder / 'checkpoint_000000'}" in output


def test_a_finished_run_goes_on_from_its_checkpoint_only(tmp_path: Path, capsys):
    options = ("--experiment-name", "first", "--stop", '{"training_iteration": 2}')
    assert train(tmp_path / "a", *options) == 0
    (first,) = trial_folders(tmp_path / "a")

    assert train(tmp_path / "a", "--resume", str(tmp_path / "a" / "first")) == 2
    assert "has already finished" in capsys.readouterr().err

    assert train(tmp_path / "b", "--resume", str(first / "checkpoint_000000")) == 0
    (second,) = trial_folders(tmp_path / "b")
    assert iterations(second) == [3]


def test_a_failed_run_reports_its_error_and_is_taken_up_in_its_folder(tmp_path: Path, capsys):
    options = ("--experiment-name", "mine", "--checkpoint-freq", "1")
    assert train(tmp_path, *options, "--set", 'env_config={"fails_at": 2}') == 1

    (folder,) = trial_folders(tmp_path)
    output = capsys.readouterr().out
    assert "RuntimeError: the engine is on fire" in output
    assert str(folder / "error.txt") in output

    # It fails only in iteration 2 again: it has resumed from the checkpoint of iteration 1.
    assert train(tmp_path, "--resume", str(tmp_path / "mine")) == 1
    assert trial_folders(tmp_path) == [folder]
    assert iterations(folder) == [1]
    assert "Failure # 2" in (folder / "error.txt").read_text()


def test_each_trial_of_a_search_has_a_folder_named_by_what_is_searched(tmp_path: Path):
    assert train(tmp_path, "--set", 'lr={"grid_search": [0.1, 0.2]}') == 0

    names = [folder.name for folder in trial_folders(tmp_path)]
    assert [name.rpartition("_")[2] for name in names] == ["lr=0.1000", "lr=0.2000"]


def test_options_before_and_after_the_word_file_count(monkeypatch):
    seen: list[RunSettings] = []
    monkeypatch.setattr(
        "rllib_gigpo.cli.commands.train.train_experiment",
        lambda experiment, settings: seen.append(settings) or 0,
    )

    main(["train", "--checkpoint-freq", "7", "-v", "file", EXPERIMENT, "--no-checkpoint-at-end"])

    ray = RaySettings(verbosity=1, module_folder=Path(EXPERIMENT).parent)
    assert seen == [RunSettings(checkpoint_freq=7, checkpoint_at_end=False, ray=ray)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "file", "nowhere.py"], "nowhere.py: no such file"),
        (["train", "file", EXPERIMENT, "--set", "lrr=1"], "has no setting 'lrr'"),
        (["train", "file", EXPERIMENT, "--resume", "/"], "neither a run's folder"),
        (["train"], "nothing to train"),
        (["train", "--env", "X"], "--env needs --model-path"),
        (["evaluate", "nowhere"], "no checkpoint here"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(arguments, message, capsys):
    assert main(arguments) == 2

    error = capsys.readouterr().err
    assert error.startswith("rllib: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_mistakes_in_the_settings_are_one_line_each_and_exit_status_2(capsys):
    env = ("--env", "rllib_gigpo.envs:Corridor-v0")
    assert main(["train", *env, "--model-path", "nowhere", "--set", "group_size=1"]) == 2

    first, *mistakes = capsys.readouterr().err.splitlines()
    assert first == "rllib: error: The config has 2 mistakes:"
    assert any("model_path='nowhere' is not a folder" in line for line in mistakes)
    assert any("group_size=1" in line for line in mistakes)


def test_broken_json_is_one_line_and_exit_status_2(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["train", "file", EXPERIMENT, "--stop", "{"])

    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert "is not JSON" in error
    assert error.count("\n") == 1


def test_the_simple_case_is_an_environment_and_a_model(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "rllib_gigpo.cli.commands.train.train_experiment",
        lambda experiment, settings: seen.append(experiment) or 0,
    )

    env = ("--env", "rllib_gigpo.envs:Corridor-v0", "--env-config", '{"length": 4}')
    assert main(["train", *env, "--model-path", "here"]) == 0

    (experiment,) = seen
    assert (experiment.name, experiment.stop) == ("gigpo", {})
    assert experiment.config.algo_class.__name__ == "GiGPO"
    assert experiment.config.env == "rllib_gigpo.envs:Corridor-v0"
    assert experiment.config.env_config == {"length": 4}
    assert experiment.config.model_path == "here"


@pytest.mark.parametrize(
    ("trials", "status"),
    [
        ([("TERMINATED", {"done": True})], 0),
        ([("TERMINATED", {"done": True}), ("ERROR", {"done": False})], 1),
        ([("TERMINATED", {"done": True}), ("TERMINATED", {"done": False})], 130),
        ([("TERMINATED", None)], 130),
    ],
)
def test_the_exit_status_tells_done_failed_and_interrupted_apart(trials, status):
    from rllib_gigpo.cli.training.tune_run import _exit_status

    assert _exit_status([SimpleNamespace(status=s, last_result=r) for s, r in trials]) == status


def test_the_next_command_can_be_pasted_with_and_without_the_environment_on_the_path(monkeypatch):
    script = Path(sys.executable).with_name("rllib")
    monkeypatch.setenv("PATH", str(script.parent))
    assert command() == "rllib"
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(script.parents[1])
    assert command() == "bin/rllib"
