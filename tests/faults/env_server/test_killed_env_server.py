"""kill -9 of an OpenEnv server in the middle of training."""

import json
import re
import threading
from pathlib import Path

import pytest
from faults.command import Command, command
from faults.test_faulty_environments import make_config

TESTS = Path(__file__).parents[2]
CORRIDOR = "faults.env_server.served_corridor:ServedCorridor-v0"
NUM_ITERATIONS = 4


def serve(tmp_path, name, *, port=0):
    """Start `rllib serve-env` in its own process."""
    options = ["--port", str(port), "--env-config", json.dumps({"trace": str(tmp_path / "trace")})]
    where = {"output": tmp_path / name, "env": {"PYTHONPATH": str(TESTS)}}
    return command("serve-env", CORRIDOR, *options, **where)


def url_of(server: Command) -> str:
    server.wait_for(lambda: "http" in server.output)
    return re.search(r"http://\S+", server.output)[0]


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
        config = make_config(model).environment(
            "rllib_gigpo.envs:OpenEnv-v0", env_config={"url": url}
        )
        algorithm = config.build_algo()
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
