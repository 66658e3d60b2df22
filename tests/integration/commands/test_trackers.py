"""TensorBoard, W&B and MLflow receive the metrics of `rllib train`: `make integrations`."""

import importlib
import os
import subprocess
import sys

import pytest

IS_REQUIRED = os.environ.get("RLLIB_GIGPO_TRACKERS") == "required"
SUCCESS = "env_runners/success_rate"


def tracker(name):
    """Import a package; where it is not expected, its absence skips the test."""
    if IS_REQUIRED:
        return importlib.import_module(name)
    return pytest.importorskip(name, reason="`make integrations` installs it")


@pytest.fixture
def train(experiment, tmp_path):
    """Return a function that trains two iterations with more lines in the experiment file."""

    def run(lines=""):
        file = tmp_path / "corridor.py"
        file.write_text(experiment.read_text() + lines)
        command = [sys.executable, "-m", "rllib_gigpo.cli.main", "train", "file", file]
        subprocess.run([*command, "--output", tmp_path / "out"], cwd=tmp_path, check=True)
        (trial,) = (result.parent for result in tmp_path.glob("out/*/*/result.json"))
        return trial

    return run


def test_tensorboard_reads_a_run(train):
    tracker("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(train())).Reload()
    steps = [event.step for event in events.Scalars(f"ray/tune/{SUCCESS}")]
    assert len(steps) == 2


def test_wandb_logs_a_run_offline(train, tmp_path, monkeypatch):
    tracker("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(
        "from ray.air.integrations.wandb import WandbLoggerCallback\n"
        f'tune_callbacks = [WandbLoggerCallback(project="gigpo", dir={str(tmp_path)!r})]\n'
    )
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert file.read_bytes().count(SUCCESS.encode()) >= 2  # protobuf keeps names as they are


def test_mlflow_logs_a_run_to_files(train, tmp_path, monkeypatch):
    mlflow = tracker("mlflow")
    store = f"file:{tmp_path}/mlruns"
    logger = f'MLflowLoggerCallback(tracking_uri="{store}", experiment_name="gigpo")'
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    train(
        "from ray.air.integrations.mlflow import MLflowLoggerCallback\n"
        f"tune_callbacks = [{logger}]\n"
    )
    client = mlflow.MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("gigpo")
    (run,) = client.search_runs([experiment.experiment_id])
    assert len(client.get_metric_history(run.info.run_id, SUCCESS)) == 2
    assert run.data.params["group_size"] == "4"
