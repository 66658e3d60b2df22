"""`rllib panel` from end to end: the same results whatever plays beside a task."""

import json
from pathlib import Path

import pytest
from support.model_server import model_server

from rllib_gigpo.cli.experiment import apply_settings
from rllib_gigpo.cli.main import main
from rllib_gigpo.cli.playing.playable import find_playable
from rllib_gigpo.panels.panel import load_panel
from rllib_gigpo.panels.panel_environment import panel_environment
from rllib_gigpo.warm_start import (
    DemonstrationSettings,
    FitSettings,
    PromptSettings,
    TinyModelSettings,
    WarmStartSettings,
    warm_start,
)

ENV = "rllib_gigpo.envs:Corridor-v0"
ENV_CONFIG = '{"length": 5, "max_steps": 6}'
CHAT = ("run", "frozen_lake", "--base-url", "http://127.0.0.1:9/v1", "--model", "m")
SETTINGS = (
    *("max_prompt_tokens=256", "max_response_tokens=4", "template=compact"),
    *("action_tag=None", "think_tag=None", "history_length=0", "engine=transformers"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Fit a very small model to a poor player, so that it sometimes succeeds."""
    folder = tmp_path_factory.mktemp("walker")
    prompting = PromptSettings(history_length=0, max_prompt_tokens=256)
    settings = WarmStartSettings(
        env=ENV,
        env_config=json.loads(ENV_CONFIG),
        seeds=tuple(range(64)),
        prompting=prompting,
        demonstrations=DemonstrationSettings(max_episode_steps=6),
        tiny_model=TinyModelSettings(vocab_size=400, hidden_size=24, num_heads=2),
        fit=FitSettings(num_epochs=6, batch_tokens=512),
    )
    return warm_start(settings, output=folder / "walker", cache_dir=folder / "cache")


@pytest.fixture(scope="module")
def panel(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("panels") / "corridor.json"
    arguments = ["--env-config", ENV_CONFIG, "--num-tasks", "10", "--decoding-seeds", "3"]
    arguments += ["--temperature", "1.0", "--max-episode-steps", "6", "--output", str(file)]
    assert main(["panel", "make", "--env", ENV, *arguments]) == 0
    return file


def run_panel(panel: Path, model: Path, output: Path, *more: str) -> dict:
    """Play a panel and return the result."""
    settings = [part for one in SETTINGS for part in ("--set", one)]
    arguments = [str(panel), str(model), *settings, *more, "--output", str(output)]
    assert main(["panel", "run", *arguments]) == 0
    return json.loads(output.read_text())


@pytest.fixture(scope="module")
def result(ray_session, panel, model, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("results") / "one.json"
    run_panel(panel, model, file)
    return file


def test_a_panel_is_played_once_for_each_task_and_decoding_seed(result, panel, model):
    found, manifest = json.loads(result.read_text()), load_panel(panel)
    assert (found["panel_digest"], found["agent"]) == (manifest.digest, model.name)
    assert [(one["decoding_seed"], one["task"]) for one in found["played"]] == [
        (seed, task.seed) for seed in range(3) for task in manifest.tasks
    ]
    assert 0.0 < found["summary"]["success_rate"] < 1.0
    assert found["summary"]["avg_at_3"] < found["summary"]["pass_at_3"]
    by_seed = [
        [one["num_steps"] for one in found["played"] if one["decoding_seed"] == seed]
        for seed in range(3)
    ]
    assert by_seed[0] != by_seed[1]


@pytest.mark.parametrize(
    "more",
    [
        ["--set", "max_concurrent_episodes=4"],
        ["--set", "num_env_runners=2", "--set", "num_cpus_per_env_runner=0.5"],
        pytest.param(["--exact"], marks=pytest.mark.slow),
    ],
    ids=["few at a time", "two runners", "exact"],
)
def test_every_task_ends_the_same_way_with_other_batches(result, panel, model, tmp_path, more):
    other = run_panel(panel, model, tmp_path / "other.json", *more)
    assert other["played"] == json.loads(result.read_text())["played"]


def test_training_evaluates_on_the_panel_as_the_command_does(
    result, panel, model, build, corridor_config
):
    config = corridor_config().tasks(panel=str(panel)).inference(engine="transformers")
    config.llm(model_path=str(model)).prompting(history_length=0)
    # Neither the run's own seed nor its own environment matters.
    algorithm = build(config.debugging(seed=99))
    metrics = algorithm.evaluate()["env_runners"]
    expected = json.loads(result.read_text())["summary"]
    assert metrics["panel"] == load_panel(panel).label
    for name in ("success_rate", "pass_at_3", "num_episodes", "success_ci_low"):
        assert metrics[name] == expected[name]


def test_two_results_are_compared_task_by_task(result, tmp_path, capsys):
    assert main(["panel", "compare", str(result), "--baseline", str(result)]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("success")]
    assert line.startswith("success   +0.0 points [")
    assert line.endswith("over 10 tasks: nothing can be said")
    for name, won in (("better", True), ("worse", False)):
        made = json.loads(result.read_text())
        for one in made["played"]:
            one["won"] = won
        (tmp_path / f"{name}.json").write_text(json.dumps(made))
    files = [str(tmp_path / f"{name}.json") for name in ("better", "worse")]
    assert main(["panel", "compare", files[0], "--baseline", files[1]]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("success")]
    assert "over 10 tasks" in line
    assert "nothing can be said" not in line


def one_line(arguments: list[str], capsys) -> str:
    assert main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("rllib: error: ")
    return error


def test_a_changed_start_is_refused_before_anything_is_built(panel, model, tmp_path, capsys):
    content = json.loads(panel.read_text())
    content["tasks"][0]["start"] = "0" * 16
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(content))
    error = one_line(["panel", "run", str(changed), str(model)], capsys)
    assert f"the start of task {content['tasks'][0]['seed']} differs" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["make", "--output", "x.json"], "needs either PANEL or --env ID"),
        (["run", "alfworld_valid_seen", "."], "has no hashes of its tasks' starts yet"),
        (["run", "frozen_lake"], "needs either CHECKPOINT or --base-url URL"),
        (["run", "frozen_lake", "--base-url", "http://x"], "--base-url needs --model NAME"),
        (["run", "frozen_lake", ".", "--max-tokens", "8"], "--max-tokens is for a model behind"),
        (["run", "frozen_lake", ".", "--env-config", '{"p": 1}'], "p=1 names no file or folder"),
        (
            [*CHAT, "--set", "max_prompt_tokens=8"],
            "--set max_prompt_tokens has no effect on a model behind a URL",
        ),
        ([*CHAT, "--api-key-variable", "NOT_SET"], "variable NOT_SET is not set"),
        (
            ["make", "frozen_lake", "--num-tasks", "3", "--output", "x.json"],
            "--num-tasks is for a new panel",
        ),
        (["run", "nowhere", "."], "There is no panel 'nowhere'"),
        (["compare", "nowhere.json", "--baseline", "nowhere.json"], "no file nowhere.json"),
        (["compare", "a", "a", "--baseline", "b"], "A result is named twice"),
        (["run", "frozen_lak", "."], "did you mean 'frozen_lake'?"),
        (["run", "frozen_lake", "--base-url", "127.0.0.1:9/v1", "--model", "m"], "begin with http"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys):
    assert message in one_line(["panel", *arguments], capsys)


def test_evaluate_and_another_machine_play_the_same_panel(result, panel, model, tmp_path, capsys):
    settings = [part for one in SETTINGS for part in ("--set", one)]
    report = tmp_path / "evaluation.json"
    arguments = ["evaluate", str(model), "--panel", str(panel), *settings]
    assert main([*arguments, "--output", str(report)]) == 0
    found = json.loads(report.read_text())["env_runners"]
    assert found["success_rate"] == json.loads(result.read_text())["summary"]["success_rate"]
    assert "leave out --env and --num-tasks" in one_line([*arguments, "--num-tasks", "3"], capsys)
    # Where the hashes are made again, they are the same.
    assert main(["panel", "make", str(panel), "--output", str(tmp_path / "again.json")]) == 0
    assert load_panel(tmp_path / "again.json").digest == load_panel(panel).digest


def test_a_result_is_never_overwritten(panel, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with model_server(lambda request: (200, "<action>go right</action>")) as url:
            assert main(["panel", "run", str(panel), "--base-url", url, "--model", "some/m"]) == 0
    files = sorted(file.name for file in tmp_path.iterdir())
    assert files == ["corridor_some_m.json", "corridor_some_m_2.json"]
    found = json.loads((tmp_path / files[0]).read_text())
    assert (found["agent"], found["settings"]["max_response_tokens"]) == ("some/m", 512)
    assert [one["task"] for one in found["played"]][:2] == [
        task.seed for task in load_panel(panel).tasks[:2]
    ]


@pytest.mark.parametrize("name", ["mixture", "textworld_coin5"])
def test_a_panel_needs_nothing_of_the_environment_that_a_model_was_trained_on(name, model):
    panel = load_panel(name)
    env, env_config = panel_environment(panel, {})
    config = find_playable(model, env=env, env_config=env_config).config
    apply_settings(config, [("panel", panel.model_dump(mode="json"))])
    played = config.evaluated()
    assert (played.env, played.env_config) == (env, env_config)


def test_a_comparison_says_what_else_differs(result, panel, tmp_path, capsys):
    other = json.loads(result.read_text())
    other["settings"]["max_prompt_tokens"], other["played"] = 64, other["played"][:-5]
    file = tmp_path / "other.json"
    file.write_text(json.dumps(other))
    assert main(["panel", "compare", str(file), "--baseline", str(result)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"baseline  {other['agent']} ({result}): 30 episodes" in lines
    assert f"agent     {other['agent']} ({file}): 25 episodes" in lines
    assert "differs   max_prompt_tokens: 256 / 64" in lines
    # The two kinds of files are told apart.
    error = one_line(["panel", "compare", str(panel), "--baseline", str(result)], capsys)
    assert "is a panel, not a result" in error
    assert "is the result of a panel" in one_line(["panel", "run", str(result), "."], capsys)


def test_nothing_is_overwritten_and_equal_starts_are_told(panel, result, capsys):
    make = ["panel", "make", "--env", ENV, "--env-config", ENV_CONFIG, "--output"]
    assert "exists already" in one_line([*make, str(result)], capsys)
    run = ["panel", "run", str(panel), ".", "--output", str(result)]
    assert "exists already" in one_line(run, capsys)
    assert main([*make, str(panel.with_name("many.json"))]) == 0
    assert "of the tasks start like another one" in capsys.readouterr().out


def test_shipped_panels_are_listed(capsys):
    assert main(["panel", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (official,) = [line for line in lines if line.startswith("alfworld_valid_unseen ")]
    assert "134 tasks, each once" in official
    assert "no hashes yet" in official
    assert "no hashes yet" not in next(line for line in lines if line.startswith("frozen_lake "))


def test_a_config_with_an_unknown_panel_is_refused(corridor_config):
    with pytest.raises(ValueError, match="There is no panel 'nowhere'"):
        corridor_config().tasks(panel="nowhere").validate()
