"""`rllib train` as a user runs it, while a disk fills up; then it is freed, and the run resumed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.small_disk import small_disk

from rllib_gigpo.checkpoints.finder import newest_checkpoint

EXPERIMENT = """
from pathlib import Path

from ray.rllib.callbacks.callbacks import RLlibCallback

from faults.small_disk import fill
from rllib_gigpo import GiGPOConfig


class FillDisk(RLlibCallback):
    def on_train_result(self, *, algorithm, result, **kwargs):
        if result["training_iteration"] == 4 and not Path({healed!r}).exists():
            fill(Path({disk!r}), leave_kb=300)  # less than a checkpoint has


config = (
    GiGPOConfig()
    .environment("rllib_gigpo.envs:Corridor-v0", env_config={{"length": 3, "max_steps": 6}})
    .llm(model_path={model!r}, max_prompt_tokens=256, max_response_tokens=4)
    .prompting(template="compact", action_tag=None, think_tag=None)
    .inference(engine="transformers")
    .env_runners(num_env_runners=1)
    .learners(num_learners={num_learners})
    .tasks(num_train_tasks=8, num_test_tasks=4, max_episode_steps=6)
    .training(group_size=4, num_groups=2, num_minibatches=2, lr=1e-3, kl_coeff=0.0)
    .callbacks(FillDisk)
    .debugging(seed=0)
)
stop = {{"training_iteration": 8}}
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", megabytes=8) as folder:
        yield folder


def rllib(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run the command in its own process and cluster."""
    tests = str(Path(__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "rllib_gigpo.cli.main", *arguments],
        env={**os.environ, "PYTHONPATH": tests, "RAY_TMPDIR": "/tmp", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


@pytest.mark.fault(
    "B1", "B3", "B4", promise="The run stops in words; the earlier checkpoint is what resumes it."
)
@pytest.mark.parametrize("num_learners", [1, 0], ids=["remote", "local"])
@pytest.mark.parametrize("full", ["temporary", "output"])
def test_a_disk_that_fills_up_costs_the_iterations_since_the_last_checkpoint(
    tmp_path, model, disk, num_learners, full, record_property
):
    healed, file = tmp_path / "healed", tmp_path / "mine.py"
    facts = {"healed": str(healed), "disk": str(disk), "model": str(model)}
    file.write_text(EXPERIMENT.format(num_learners=num_learners, **facts))
    output = disk if full == "output" else tmp_path / "results"
    temporary = {"TMPDIR": str(disk)} if full == "temporary" else {}
    options = ("--checkpoint-freq", "2", "--output", str(output), "--ray-num-cpus", "4")

    cut = rllib("train", "file", str(file), "--experiment-name", "run", *options, **temporary)
    shown = cut.stdout + cut.stderr
    assert cut.returncode == 1, shown
    assert "CheckpointError" in shown
    assert "could not be saved" in shown
    assert f"the disk at {disk} has 0 of 8 MB free" in shown
    (trial,) = (one for one in (output / "run").iterdir() if one.is_dir())
    found = newest_checkpoint(trial)
    assert found is not None
    assert found.path.name == "checkpoint_000000"  # of iteration 2

    healed.touch()
    (disk / "ballast").unlink()
    resume = ("--resume", str(output / "run"))
    resumed = rllib("train", "file", str(file), *resume, *options, **temporary)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    # On a full output disk Tune's record is torn too, and the run goes on in a new trial.
    results = sorted((output / "run").glob("*/result.json"), key=lambda one: one.stat().st_mtime)
    lines = results[-1].read_text().splitlines()
    assert [json.loads(line)["training_iteration"] for line in lines][-6:] == [3, 4, 5, 6, 7, 8]
    record_property("lost", "2 iterations, those since the last checkpoint")
