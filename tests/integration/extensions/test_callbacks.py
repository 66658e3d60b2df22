"""The hooks of RLlib's callbacks: when they are called, with what, and where their metrics go."""

import os
import re
import signal
from pathlib import Path

import gymnasium
import pytest
from faults.faulty_corridor import FaultyCorridor
from integration.extensions.recording_callbacks import (
    CALLS,
    OF_RUNNERS,
    CountingLeft,
    Failing,
    FailingAtOnce,
    Recording,
)
from ray.rllib.callbacks.callbacks import RLlibCallback

from rllib_gigpo.envs.corridor import CorridorEnv
from rllib_gigpo.errors import EnvContractError, RolloutError

ENGINE = "support.quick_engine:QuickEngine"
PAGE = Path(__file__).parents[3] / "docs" / "callbacks.md"


@pytest.fixture
def config(corridor_config):
    CALLS.clear()
    return corridor_config().inference(engine=ENGINE).reporting(transcripts={"interval": 0})


def given_to(hook, calls):
    return [keywords for name, keywords in calls if name == hook]


# ------------------------------------------------------------------ episodes and samples


@pytest.fixture(scope="module")
def recorded(ray_session, corridor_config):
    """Train one iteration; return the Algorithm and the calls of all hooks of EnvRunners."""
    CALLS.clear()
    algorithm = corridor_config().inference(engine=ENGINE).callbacks(Recording).build_algo()
    algorithm.train()
    yield algorithm, list(CALLS)
    algorithm.stop()


@pytest.mark.fault("case 3", promise="Each hook of an episode is called, in RLlib's order.")
def test_an_episodes_hooks_are_called_in_rllibs_order(recorded):
    calls = recorded[1]
    names = [name for name, _ in calls]
    assert set(names) == set(OF_RUNNERS)
    assert names[:3] == ["on_episode_created", "on_environment_created", "on_episode_created"]
    assert names.count("on_episode_end") == 8
    assert names[-1] == "on_sample_end"
    samples = [one for given in given_to("on_sample_end", calls) for one in given["samples"]]
    assert len({id(episode) for episode in samples}) == len(samples) == 8
    for episode in samples:
        of_one = [name for name, given in calls if given.get("episode") is episode]
        steps = ["on_episode_step"] * len(episode)
        assert of_one == ["on_episode_created", "on_episode_start", *steps, "on_episode_end"]


@pytest.mark.fault("case 3", promise="A hook gets RLlib's keywords.")
def test_a_hook_gets_rllibs_keywords(recorded):
    algorithm, calls = recorded
    end = given_to("on_episode_end", calls)[0]
    assert end["env_runner"] is algorithm.env_runner
    assert end["metrics_logger"] is algorithm.env_runner.metrics
    assert end["rl_module"] is algorithm.env_runner.module
    assert end["prev_episode_chunks"] == []
    assert end["env"].unwrapped.spec.id == "Corridor-v0"
    assert end["episode"].is_done
    created = given_to("on_environment_created", calls)
    assert {one["env_context"]["length"] for one in created} == {3}
    assert created[0]["env"] is given_to("on_episode_start", calls)[0]["env"]
    assert "prev_episode_chunks" not in given_to("on_episode_step", calls)[0]


@pytest.mark.fault("case 3", promise="Functions and several classes are called, classes first.")
def test_functions_and_several_classes_are_called(build, config):
    order = []
    first = type("First", (RLlibCallback,), {"on_episode_end": lambda *_, **k: order.append(1)})
    second = type("Second", (RLlibCallback,), {"on_episode_end": lambda *_, **k: order.append(2)})
    functions = [lambda **k: order.append(3), lambda **k: order.append(4)]
    build(config.callbacks([first, second], on_episode_end=functions)).train()
    assert order == [1, 2, 3, 4] * 8


def kill_env_runners(algorithm):
    for pid in algorithm.env_runner_group.foreach_env_runner(lambda runner: os.getpid()):
        os.kill(pid, signal.SIGKILL)


PLACES = {
    "in process": {},
    "threads": {"num_env_threads": 2},
    "workers": {"num_env_workers": 1, "num_cpus_per_env_worker": 0},
    "remote": {"num_env_runners": 1},
}


@pytest.mark.fault("case 3", promise="What a callback logs reaches the result, exactly.")
@pytest.mark.fault("case 3", promise="Evaluation's environments have their own env_config.")
@pytest.mark.fault("case 3", promise="on_env_runners_recreated is called for a restored EnvRunner.")
@pytest.mark.parametrize(
    "place",
    [pytest.param(one, marks=[pytest.mark.slow] if one == "remote" else []) for one in PLACES],
)
def test_metrics_of_training_and_of_evaluation_reach_the_result(build, config, place):
    recreated = []
    config.callbacks(
        CountingLeft,
        on_env_runners_recreated=lambda env_runner_indices, **k: recreated.append(
            env_runner_indices
        ),
    ).env_runners(**PLACES[place])
    config.evaluation(evaluation_interval=2, evaluation_config={"env_config": {"length": 9}})
    algorithm = build(config)
    for iteration in (1, 2, 3):
        result = algorithm.train()
        played = result["env_runners"]
        assert (played["ended"], played["steps"]) == (8, played["num_env_steps"])
        assert (played["doors"], played["in_evaluation"]) == (3, 0)
        assert 0.0 < played["left"] < 1.0
        assert ("evaluation" in result) == (iteration == 2)
        if iteration == 2:
            tested = result["evaluation"]["env_runners"]
            assert (tested["ended"], tested["steps"]) == (4, tested["num_env_steps"])
            assert (tested["doors"], tested["in_evaluation"]) == (9, 1)
            if place == "remote":
                kill_env_runners(algorithm)
    assert recreated == ([[1]] if place == "remote" else [])


@pytest.mark.fault("case 3", promise="A metric that would be hidden is warned of.")
def test_a_metric_of_an_own_name_is_warned_of(build, config):
    config.callbacks(
        on_episode_end=lambda metrics_logger, **k: metrics_logger.log_value("success_rate", 7.0)
    )
    result = build(config).train()
    assert result["env_runners"]["success_rate"] <= 1.0
    assert "A callback logs success_rate" in result["warnings"]["callbacks"]


@pytest.mark.fault("case 3", promise="A mistake in a hook ends the run with its own traceback.")
@pytest.mark.parametrize("threads", [0, 2])
def test_a_mistake_in_a_hook_ends_the_run(build, config, threads):
    config.env_runners(num_env_threads=threads)
    with pytest.raises(AttributeError, match="no_such_attribute") as caught:
        build(config.copy().callbacks(Failing)).train()
    assert "Raised in the callback on_episode_start (Failing.on_episode_start)" in str(
        caught.value.__notes__
    )
    with pytest.raises(KeyError, match="my own mistake") as caught:
        build(config.copy().callbacks(FailingAtOnce)).train()
    assert "on_environment_created" in str(caught.value.__notes__)


@pytest.mark.slow
@pytest.mark.fault("case 3", promise="A mistake in a hook of a remote EnvRunner ends the run, too.")
def test_a_mistake_in_a_remote_hook_ends_the_run(build, config):
    with pytest.raises(RolloutError) as caught:
        build(config.callbacks(Failing).env_runners(num_env_runners=1)).train()
    for part in ("no_such_attribute", "recording_callbacks.py", "callback on_episode_start"):
        assert part in str(caught.value)


@pytest.mark.fault("case 3", promise="A dropped episode has a start, but no end.")
def test_dropped_episodes_have_a_start_but_no_end(build, config):
    config.environment(FaultyCorridor, env_config={"says": "anchor"}).tasks(num_train_tasks=3)
    algorithm = build(config.callbacks(Recording))
    result = algorithm.train()["env_runners"]
    assert result["num_episodes_lost"] > 0
    ended = {given["episode"].id_ for given in given_to("on_episode_end", CALLS)}
    assert len(ended) == result["num_episodes"]
    assert ended < {given["episode"].id_ for given in given_to("on_episode_start", CALLS)}


# ------------------------------------------------------------------ evaluation


@pytest.mark.fault("case 3", promise="Evaluation may have its own callbacks.")
def test_evaluation_has_callbacks_of_its_own(build, config):
    config.evaluation(
        evaluation_interval=1, evaluation_config=config.overrides(callbacks_class=CountingLeft)
    )
    result = build(config).train()
    assert "ended" not in result["env_runners"]
    assert result["evaluation"]["env_runners"]["ended"] == 4


@pytest.mark.fault("case 3", promise="on_evaluate_start and on_evaluate_end are called.")
def test_the_hooks_of_an_evaluation_are_called(build, config):
    seen = []

    def end(algorithm, metrics_logger, evaluation_metrics, **kwargs):
        assert metrics_logger is algorithm.metrics
        seen.append("end")
        evaluation_metrics["env_runners"]["mine"] = 5

    config.callbacks(on_evaluate_start=lambda **k: seen.append("start"), on_evaluate_end=end)
    result = build(config.evaluation(evaluation_interval=1)).train()
    assert seen == ["start", "end"]
    assert result["evaluation"]["env_runners"]["mine"] == 5
    assert result["evaluation"]["env_runners"]["num_episodes"] == 4


@pytest.mark.fault("case 3", promise="custom_evaluation_function is called as in RLlib.")
def test_a_custom_evaluation_function_is_called(build, config):
    def evaluate(algorithm, env_runner_group):
        assert env_runner_group is algorithm.env_runner_group
        algorithm.metrics.log_value(("evaluation", "env_runners", "logged"), 3)
        result = algorithm.play_test_tasks()
        return {"answers": len(result.episodes)}, 10, 10

    config.evaluation(evaluation_interval=1, custom_evaluation_function=evaluate)
    algorithm = build(config)
    for _ in range(2):
        assert algorithm.train()["evaluation"]["env_runners"] == {"answers": 4, "logged": 3}


def test_an_answer_of_another_form_is_refused(build, config):
    config.evaluation(custom_evaluation_function=lambda algorithm, group: {"answers": 4})
    with pytest.raises(TypeError, match="must return"):
        build(config).evaluate()


def numbered_corridor(config):
    env = CorridorEnv(**config)
    env.action_space = gymnasium.spaces.Discrete(2)
    return env


def test_an_environment_of_evaluation_with_other_actions_is_refused(build, config):
    config.evaluation(evaluation_config={"env": numbered_corridor})
    with pytest.raises(EnvContractError, match="evaluation_config: the environment"):
        build(config)


# ------------------------------------------------------------------ the page of the documentation


@pytest.mark.fault("case 3", promise="The examples of docs/callbacks.md run.")
def test_the_examples_of_the_page_run(build, config, capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    scope = {"config": config}
    for block in blocks:
        exec(block, scope)
    config.evaluation(evaluation_interval=1)
    algorithm = build(config)
    result = algorithm.train()
    score = result["evaluation"]["env_runners"]["final_score"]
    assert capsys.readouterr().out.splitlines()[-1] == f"0 {score}"
    assert score == result["evaluation"]["env_runners"]["success_rate"]
    assert result["env_runners"]["final_score"] == result["env_runners"]["success_rate"]
    metrics, num_steps, _ = scope["evaluate"](algorithm, algorithm.env_runner_group)
    assert num_steps >= metrics["longest"] > 0


def test_the_page_says_what_an_episode_holds(recorded):
    episode = given_to("on_episode_end", recorded[1])[0]["episode"]
    assert episode.get_extra_model_outputs("step_record", -1).response_text
    assert episode.custom_data.keys() >= {"task_seed", "group_id", "member"}


# ------------------------------------------------------------------ EnvRunners and checkpoints


@pytest.mark.fault("case 3", promise="on_algorithm_init may evaluate before the first iteration.")
def test_a_run_can_be_evaluated_before_its_first_iteration(build, config):
    before = []
    config.callbacks(on_algorithm_init=lambda algorithm, **k: before.append(algorithm.evaluate()))
    build(config)
    assert before[0]["env_runners"]["num_episodes"] == 4


@pytest.mark.fault("case 3", promise="on_checkpoint_loaded is called by a restore.")
def test_a_restore_is_told_of(build, config, tmp_path):
    loaded = []
    config.callbacks(on_checkpoint_loaded=lambda algorithm, **k: loaded.append(algorithm))
    algorithm = build(config)
    algorithm.save_to_path(str(tmp_path))
    algorithm.restore(str(tmp_path))
    assert loaded == [algorithm]
