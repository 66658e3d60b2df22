"""A run of two iterations, trained once for all tests of commands that read a run."""

import shutil
from pathlib import Path

import pytest

from rllib_gigpo.cli.main import main

EXPERIMENT = """
from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig()
    .environment("rllib_gigpo.envs:Corridor-v0", env_config={{"length": 3, "max_steps": 6}})
    .llm(model_path={model_path!r}, max_prompt_tokens=256, max_response_tokens=4)
    .prompting(template="compact", action_tag=None, think_tag=None)
    .inference(eval_sampling={{"temperature": 0.0}})
    .tasks(num_train_tasks=8, num_test_tasks=6, max_episode_steps=6)
    .training(group_size=4, num_groups=2, num_minibatches=2, lr=1e-3, kl_coeff=0.0)
    .evaluation(evaluation_interval=1)
    .reporting(transcripts={{"interval": 1}})
    .debugging(seed=0)
)
stop = {{"training_iteration": 2}}
"""


@pytest.fixture(scope="session")
def experiment(tiny_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    shutil.copytree(tiny_folder, folder / "model")
    file = folder / "corridor.py"
    file.write_text(EXPERIMENT.format(model_path=str(folder / "model")))
    return file


@pytest.fixture(scope="session")
def trained(ray_session, experiment: Path, tmp_path_factory) -> Path:
    """Train two iterations and return the trial's folder."""
    output = tmp_path_factory.mktemp("output")
    assert main(["train", "file", str(experiment), "--output", str(output)]) == 0
    (folder,) = (file.parent for file in output.glob("*/*/result.json"))
    return folder
