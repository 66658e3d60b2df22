"""`rllib evaluate` and `rllib play` with a plain model folder, and with torn checkpoints."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
from faults.small_disk import DAMAGES

from rllib_gigpo.checkpoints.finder import MARK
from rllib_gigpo.cli.main import main

MODEL = "learner_group/learner/rl_module"
ENV = ["--env", "rllib_gigpo.envs:Corridor-v0", "--env-config", '{"length": 3, "max_steps": 6}']
SETTINGS = (
    *("max_prompt_tokens=256", "max_response_tokens=4", "max_episode_steps=6"),
    *("template=compact", "action_tag=None", "think_tag=None", "num_test_tasks=4"),
)
EXACT = ["--set", "engine=transformers"]  # starts faster than vLLM


@pytest.fixture(scope="module")
def checkpoint(ray_session, corridor_config, tmp_path_factory) -> Path:
    config = corridor_config().inference(engine="transformers")
    algorithm = config.build_algo()
    folder = tmp_path_factory.mktemp("run") / "checkpoint_000000"
    algorithm.save_to_path(str(folder))
    algorithm.stop()
    return folder


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "trial" / checkpoint.name))


@pytest.fixture
def model(checkpoint: Path, tmp_path: Path) -> Path:
    """Copy the model alone, with a pickle next to it that would leave a mark."""
    folder = shutil.copytree(checkpoint / MODEL, tmp_path / "model")

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "unpickled"),)

    for name in ("class_and_ctor_args.pkl", "state.pkl", "algorithm_state.pkl"):
        (folder / name).write_bytes(pickle.dumps(Evil()))
    return folder


def evaluated(tmp_path: Path, *arguments: str) -> dict:
    """Evaluate and return the metrics."""
    report = tmp_path / "report.json"
    assert main(["evaluate", *arguments, *EXACT, "--output", str(report)]) == 0
    return json.loads(report.read_text())["env_runners"]


@pytest.mark.slow
@pytest.mark.fault("B20", promise="A model folder is evaluated and played without unpickling.")
def test_a_model_folder_is_evaluated_like_its_checkpoint(model, checkpoint, tmp_path):
    plain = evaluated(tmp_path, str(model))
    whole = evaluated(tmp_path, str(checkpoint))
    for name in ("success_rate", "num_env_steps", "format_valid_rate", "num_episodes"):
        assert plain[name] == whole[name]
    (model / "gigpo.json").unlink()  # as a model of another program
    settings = [part for one in SETTINGS for part in ("--set", one)]
    bare = evaluated(tmp_path, str(model), *ENV, *settings)
    assert bare["num_env_steps"] == whole["num_env_steps"]
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.fault("B20", promise="A model folder is evaluated and played without unpickling.")
def test_a_model_folder_plays_with_and_without_its_description(model, tmp_path, capsys):
    assert main(["play", "--checkpoint", str(model), "--seed", "5"]) == 0
    described = capsys.readouterr().out
    assert "anchor     You stand at door" in described
    assert "<think>" not in described
    (model / "gigpo.json").unlink()
    settings = [part for one in SETTINGS for part in ("--set", one)]
    assert main(["play", "--checkpoint", str(model), "--seed", "5", *ENV, *settings]) == 0
    assert capsys.readouterr().out == described
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.fault("B20", promise="A model folder's description sets data only, by name.")
@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"settings": {"engine": "evil:Engine"}}, "may not set 'engine'"),
        ({"env": ["x"]}, "'env' that is not the id"),
        ({"env_config": 3}, "'env_config' that is not an object"),
        ({"template": "compact"}, "unknown entry 'template'"),
        ({"env_config": {}}, "does not name an environment; pass --env ID"),
        ([], "is not an object"),
    ],
)
def test_a_wrong_description_is_one_line(model, description, message, capsys):
    (model / "gigpo.json").write_text(json.dumps(description))
    assert main(["evaluate", str(model)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_function_of_the_run_is_named_as_left_out(model, capsys):
    description = json.loads((model / "gigpo.json").read_text())
    description["left_out"] = ["observation_to_text"]
    (model / "gigpo.json").write_text(json.dumps(description))
    assert main(["play", "--checkpoint", str(model)]) == 0
    assert "left out     observation_to_text" in capsys.readouterr().out


def one_line(arguments: list[str], capsys) -> str:
    """Run a command that must fail with one line, and return the line."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("rllib: error: ")
    assert error.count("\n") == 1, error
    return error


@pytest.mark.fault("B19", promise="A torn file of any kind is one line: which file, what to do.")
@pytest.mark.parametrize("damage", DAMAGES)
def test_each_torn_file_of_a_checkpoint_is_one_line(copied, damage, capsys):
    for file in [one for one in sorted(copied.rglob("*")) if one.is_file()]:
        content = file.read_bytes()
        DAMAGES[damage](file)
        line = one_line(["evaluate", str(copied)], capsys)
        assert str(copied) in line
        assert file.name in line or file.name == "manifest.json"
        assert one_line(["play", "--checkpoint", str(copied)], capsys) == line
        file.write_bytes(content)


@pytest.mark.fault("B19", promise="A torn file is one line without a manifest, too.")
@pytest.mark.parametrize("damage", ["empty", "half"])
def test_each_torn_file_of_an_older_checkpoint_is_one_line(copied, damage, capsys):
    without_manifest(copied)
    readable = (".pkl", ".json", ".safetensors")
    for file in [one for one in sorted(copied.rglob("*")) if one.suffix in readable]:
        content = file.read_bytes()
        DAMAGES[damage](file)
        assert file.name in one_line(["evaluate", str(copied)], capsys)
        file.write_bytes(content)


@pytest.mark.fault("B19", promise="A torn file is one line without a manifest, too.")
@pytest.mark.parametrize(
    "name",
    ["class_and_ctor_args.pkl", "algorithm_state.pkl", "learner_group/learner/state.pkl"]
    + [f"{MODEL}/{name}" for name in ("config.json", "model.safetensors")],
)
def test_a_missing_file_of_an_older_checkpoint_is_one_line(copied, name, capsys):
    without_manifest(copied)
    (copied / name).unlink()
    one_line(["evaluate", str(copied)], capsys)


@pytest.mark.fault("B19", promise="A torn file of a plain model folder is one line, too.")
@pytest.mark.parametrize("damage", ["missing", "empty", "half"])
def test_each_torn_file_of_a_model_folder_is_one_line(model, damage, capsys):
    # Optional: without it, the defaults of the command or of transformers hold.
    optional = {"gigpo.json", "generation_config.json"} if damage == "missing" else set()
    names = {one.name for one in model.iterdir() if one.suffix != ".pkl"} - optional
    assert len(names) > 3
    for name in sorted(names):
        content = (model / name).read_bytes()
        DAMAGES[damage](model / name)
        line = one_line(["play", "--checkpoint", str(model)], capsys)
        assert str(model) in line
        missing = "weights" if "safetensors" in name else name.partition(".")[0].partition("_")[0]
        assert (missing if damage == "missing" else name) in line, line
        assert one_line(["evaluate", str(model), *EXACT], capsys)
        (model / name).write_bytes(content)


@pytest.mark.fault("B20", promise="A model folder that brings its own code is refused.")
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_in_a_model_folder_never_runs(model, tmp_path, file, capsys, monkeypatch):
    mark = tmp_path / "ran"
    (model / "evil.py").write_text(f"import os\nos.mkdir({str(mark)!r})\nclass Evil: pass\n")
    content = json.loads((model / file).read_text())
    kinds = ("AutoConfig", "AutoModelForCausalLM") if file == "config.json" else ("AutoTokenizer",)
    code = {kind: ["evil.Evil", None] if kind == "AutoTokenizer" else "evil.Evil" for kind in kinds}
    named = {"model_type": "evil"} if file == "config.json" else {"tokenizer_class": "Evil"}
    (model / file).write_text(json.dumps({**content, **named, "auto_map": code}))
    monkeypatch.setattr("builtins.input", lambda *args: "y")  # "do you wish to run the code?"
    main(["play", "--checkpoint", str(model)])
    assert not mark.exists()
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.fault("B20", promise="A model folder is evaluated and played without unpickling.")
def test_weights_as_a_pickle_are_not_unpickled(model, tmp_path, capsys):
    (model / "model.safetensors").unlink()
    shutil.copy(model / "state.pkl", model / "pytorch_model.bin")
    line = one_line(["play", "--checkpoint", str(model)], capsys)
    assert "safetensors" in line
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.fault("B19", promise="The newest whole checkpoint restores wherever it is copied to.")
def test_a_copied_checkpoint_is_evaluated_without_the_start_model(copied, tmp_path, capsys):
    link = tmp_path / "link"
    link.symlink_to(copied)
    options = ["--set", "num_test_tasks=2"]
    assert evaluated(tmp_path, str(link), *options)["num_episodes"] == 2


def without_manifest(checkpoint: Path) -> None:
    """Turn a checkpoint into one of a version that wrote no manifest."""
    (checkpoint / "manifest.json").unlink()
    (checkpoint / MARK).write_text("{}")


@pytest.mark.fault("B7", promise="The newest whole checkpoint is taken; others are named.")
def test_a_trial_with_a_torn_newest_checkpoint_is_evaluated(copied, tmp_path, capsys):
    torn = Path(shutil.copytree(copied, copied.with_name("checkpoint_000001")))
    DAMAGES["half"](torn / MODEL / "model.safetensors")
    assert evaluated(tmp_path, str(copied.parent))["num_episodes"] == 4
    output = capsys.readouterr().out
    assert "passed over  checkpoint_000001: " in output
    assert "taken        " in output


@pytest.mark.fault("B20", promise="Help says that a checkpoint's pickles run code.")
@pytest.mark.parametrize("command", ["evaluate", "play"])
def test_help_says_that_pickles_run_code(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "runs code from its pickles (*.pkl)" in text
