"""OpenEnv servers that die in the middle of training, or have room for few."""

import json
import re
import threading
from pathlib import Path

import pytest
from faults.command import Command, command
from faults.test_faulty_environments import make_config

from rllib_gigpo.errors import RolloutError

TESTS = Path(__file__).parents[2]
CORRIDOR = "faults.env_server.served_corridor:ServedCorridor-v0"
NUM_ITERATIONS = 4


def serve(tmp_path, name, *, port=0, max_sessions=256):
    """Start `rllib serve-env` in its own process."""
    config = json.dumps({"trace": str(tmp_path / "trace")})
    options = ["--port", str(port), "--max-sessions", str(max_sessions), "--env-config", config]
    where = {"output": tmp_path / name, "env": {"PYTHONPATH": str(TESTS)}}
    return command("serve-env", CORRIDOR, *options, **where)


def url_of(server: Command) -> str:
    server.wait_for(lambda: "http" in server.output)
    return re.search(r"http://\S+", server.output)[0]


def build(model, url, **options):
    env_config = {"url": url, **options}
    return (
        make_config(model)
        .environment("rllib_gigpo.envs:OpenEnv-v0", env_config=env_config)
        .build_algo()
    )


@pytest.mark.slow
@pytest.mark.fault(
    "B32", promise="Its groups are lost and drawn again; the run waits until it is back."
)
def test_a_killed_environment_server_costs_the_groups_in_flight(
    ray_session, model, tmp_path, record_property
):
    trace = tmp_path / "trace"
    with serve(tmp_path, "first") as first:
        url = url_of(first)
        algorithm = build(model, url)
        results = [algorithm.train()["env_runners"]]
        trace.unlink()
        restarted = threading.Event()

        def kill_and_restart():
            while not trace.exists():
                restarted.wait(0.001)
            first.process.kill()
            first.process.wait()
            with serve(tmp_path, "second", port=url.rpartition(":")[2]):
                restarted.wait(300)

        other = threading.Thread(target=kill_and_restart)
        other.start()
        try:
            for _ in range(NUM_ITERATIONS):
                results.append(algorithm.train()["env_runners"])
        finally:
            restarted.set()
            other.join()
            algorithm.stop()
    lost = [result["num_groups_lost"] for result in results]
    assert lost[0] == lost[-1] == 0
    assert 0 < lost[1] <= 8
    assert [result["groups_lost"].keys() <= {"step", "reset"} for result in results] == [True] * 5
    assert all(result["num_episodes"] == 16 for result in results)
    record_property("happened", f"{NUM_ITERATIONS} of {NUM_ITERATIONS} iterations with 4 groups")
    record_property("lost", f"{sum(lost):.0f} groups of 4 episodes")


@pytest.mark.slow
@pytest.mark.fault("B33", promise="The run ends with an error that names the server.")
def test_a_server_that_does_not_come_back_ends_the_run(ray_session, model, tmp_path):
    with serve(tmp_path, "server") as server:
        algorithm = build(model, url_of(server), reconnect_s=1)
        algorithm.train()
        server.process.kill()
        server.process.wait()
    try:
        with pytest.raises(RolloutError, match=r"100 of the last 100.*No OpenEnv server can be"):
            algorithm.train()
    finally:
        algorithm.stop()


@pytest.mark.slow
@pytest.mark.fault("B34", promise="Episodes wait for each other, and no group is lost.")
def test_a_server_with_few_sessions_lets_episodes_wait(
    ray_session, model, tmp_path, record_property
):
    with serve(tmp_path, "server", max_sessions=5) as server:
        algorithm = build(model, url_of(server))
        try:
            results = [algorithm.train()["env_runners"] for _ in range(NUM_ITERATIONS)]
        finally:
            algorithm.stop()
        assert "All 5 sessions are in use" in server.output
    assert all(result["num_episodes"] == 16 for result in results)
    assert all(result["num_groups_lost"] == 0 for result in results)
    record_property("happened", f"{NUM_ITERATIONS} iterations of 16 episodes in 5 sessions")
