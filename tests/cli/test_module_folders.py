"""The user's own modules, found by the real command and by the Ray workers that it starts."""

import subprocess
import sys
from pathlib import Path

from rllib_gigpo.cli.main import main
from rllib_gigpo.cli.module_folders import modules_from

COMMAND = Path(sys.executable).with_name("rllib")
GUESS = """
import gymnasium

class GuessEnv(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Text(20)

    def reset(self, *, seed=None, options=None):
        return "Guess.", {}

    def step(self, action):
        return "Yes!", 1.0, True, False, {"won": True}

gymnasium.register("Guess-v0", "guess:GuessEnv")
"""
# Starts Ray as `rllib train file` does; a worker makes the environment.
WORKER = """
import ray
from rllib_gigpo.cli.main import build_parser
from rllib_gigpo.cli.ray_session import ray_session, ray_settings

@ray.remote
def start():
    import gymnasium
    return gymnasium.make("guess:Guess-v0", disable_env_checker=True).reset(seed=0)[0]

options = build_parser().parse_args(["train", "file", "mine/x.py", "--ray-num-cpus", "1"])
with ray_session(ray_settings(options)):
    print(ray.get(start.remote()))
"""


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder``, as at a shell prompt."""
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )


def test_an_environment_in_the_current_folder_is_played(tmp_path: Path):
    (tmp_path / "guess.py").write_text(GUESS)
    done = run(COMMAND, "play", "guess:Guess-v0", "--as", "random", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "won True, return 1" in done.stdout


def test_an_experiment_imports_what_lies_beside_it(tmp_path: Path, capsys):
    (tmp_path / "guess_beside.py").write_text("")
    experiment = tmp_path / "experiment.py"
    experiment.write_text("import guess_beside")
    assert main(["train", "file", str(experiment)]) == 2
    assert "defines no `config`" in capsys.readouterr().err


def test_the_workers_of_a_run_find_what_lies_beside_its_file(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "guess.py").write_text(GUESS)
    # -P keeps the current folder off the path, as in a console script.
    done = run(sys.executable, "-P", "-c", WORKER, folder=tmp_path)
    assert done.stdout.endswith("Guess.\n"), done.stderr


def test_a_folder_is_searched_after_the_installed_packages_and_then_forgotten(tmp_path: Path):
    before = list(sys.path)
    with modules_from(tmp_path):
        assert sys.path == [*before, str(tmp_path)]
        with modules_from(tmp_path):
            assert sys.path == [*before, str(tmp_path)]
        assert sys.path == [*before, str(tmp_path)]
    assert sys.path == before
