"""Environments that misbehave in whole runs, with real Ray processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.command import command
from faults.faulty_corridor import SAYS, FaultyCorridor

from rllib_gigpo import GiGPOConfig

QUICK = "support.quick_engine:QuickEngine"
TESTS = Path(__file__).parents[1]


def make_config(model, *, timeout_s=600.0, num_groups=4, engine=QUICK, **faults):
    return (
        GiGPOConfig()
        .environment(FaultyCorridor, env_config=faults)
        .llm(model_path=str(model), max_prompt_tokens=256, max_response_tokens=4)
        .prompting(template="compact", action_tag=None, think_tag=None)
        .inference(engine=engine, engine_timeout_s=timeout_s)
        .tasks(num_train_tasks=12, num_test_tasks=4, max_episode_steps=6)
        .training(group_size=4, num_groups=num_groups, num_minibatches=2, lr=1e-3, kl_coeff=0.0)
        .reporting(transcripts={"interval": 0})
        .debugging(seed=0)
    )


@pytest.fixture
def train(ray_session):
    """Return a function that trains some iterations and returns what each played."""
    built = []

    def run(config, num_iterations=1):
        built.append(config.build_algo())
        return [built[-1].train()["env_runners"] for _ in range(num_iterations)]

    yield run
    for algorithm in built:
        algorithm.stop()


PLACES = {
    "in process": {},
    "threads": {"num_env_threads": 2},
    "workers": {"num_env_workers": 1, "num_cpus_per_env_worker": 0},
    "remote": {"num_env_runners": 1},
}
HARMLESS = {"surrogate", "no actions"}
KINDS = {"actions": "info", "letters": "info", "list": "anchor"}
CASES = [(says, "in process") for says in SAYS if says != "pickle"] + [
    ("pickle", "remote"),
    ("pickle", "workers"),
    ("anchor", "threads"),
]


@pytest.mark.slow
@pytest.mark.fault(
    "B13",
    "B14",
    "case 13",
    "case 14",
    promise="A bad value of an environment costs its group, and the run goes on.",
)
@pytest.mark.parametrize(("says", "place"), CASES, ids=str)
def test_a_bad_value_costs_the_groups_that_have_it(train, model, says, place, record_property):
    config = make_config(model, num_groups=12, says=says).env_runners(**PLACES[place])
    (played,) = train(config)
    # Four of the twelve training tasks have the fault; they are lost in this pass.
    expected = {} if says in HARMLESS else {KINDS.get(says, says): 4.0}
    lost = played["groups_lost"]
    assert {kind: min(number, 4.0) for kind, number in lost.items()} == expected
    assert played["num_episodes"] >= 12 * 4
    record_property("lost", f"{sum(lost.values()):.0f} groups of 4 episodes")


@pytest.mark.slow
@pytest.mark.fault("B5", promise="A run goes on although most of its groups are lost.")
def test_a_run_goes_on_with_an_environment_that_fails_in_a_tenth_of_its_steps(
    train, model, record_property
):
    results = train(make_config(model, failing_share=0.1), num_iterations=10)
    lost = sum(result["num_groups_lost"] for result in results)
    assert lost > 10
    assert all(set(result["groups_lost"]) <= {"step"} for result in results)
    record_property("happened", "10 of 10 iterations with 4 groups each")
    record_property("lost", f"{lost:.0f} groups of 4 episodes")


@pytest.mark.slow
@pytest.mark.fault("B9", promise="A hang in a remote EnvRunner is noticed within the limit.")
def test_a_hang_in_a_remote_env_runner_costs_its_share(
    train, model, tmp_path, record_property, caplog
):
    hang = {"hangs_until": str(tmp_path / "hung"), "hangs_once": True}
    config = make_config(model, timeout_s=3.0, num_groups=2, **hang).env_runners(num_env_runners=1)
    (played,) = train(config)
    assert played["groups_lost"] == {"timeout": 2.0}
    assert "FaultyCorridor hangs: step 1 of seed" in caplog.text
    assert "limit 3 s" in caplog.text
    record_property("happened", "the EnvRunner was restarted, and the groups drawn again")
    record_property("lost", "the groups of that EnvRunner")


@pytest.mark.slow
@pytest.mark.fault("B8", promise="A script exits although an environment hangs in a thread.")
def test_a_script_exits_although_an_environment_hangs_in_a_thread(model, tmp_path):
    file = tmp_path / "script.py"
    file.write_text(
        f"""
import json
from faults.test_faulty_environments import make_config
config = make_config(
    {str(model)!r}, timeout_s=2.0, num_groups=2,
    hangs_until={str(tmp_path / "hung")!r}, hangs_once=True,
)
algorithm = config.env_runners(num_env_threads=1).build_algo()
print("lost", json.dumps(algorithm.train()["env_runners"]["groups_lost"]))
"""
    )
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("lost"))
    assert json.loads(line.removeprefix("lost")).keys() == {"timeout"}


@pytest.mark.slow
@pytest.mark.fault(
    "B9", promise="A hang in the process is shown on the screen: environment, seed, step, call."
)
def test_a_hang_in_the_process_is_shown_on_the_screen_of_rllib_train(model, tmp_path):
    file = tmp_path / "hanging.py"
    file.write_text(
        f"""
from faults.test_faulty_environments import make_config
config = make_config({str(model)!r}, timeout_s=3.0, hangs_until={str(tmp_path / "never")!r})
stop = {{"training_iteration": 1}}
"""
    )
    arguments = ("train", "file", str(file), "--output", str(tmp_path / "results"))
    surroundings = {"PYTHONPATH": str(TESTS)}
    with command(*arguments, output=tmp_path / "output", env=surroundings) as running:
        running.wait_for(lambda: "FaultyCorridor hangs: step 1 of seed" in running.output)
        assert "cannot be interrupted" in running.output
