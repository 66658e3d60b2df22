"""One of two EnvRunners is ten times slower than the other."""

from collections import Counter

import pytest
from faults.faulty_corridor import FaultyCorridor

NUM_GROUPS, NUM_ITERATIONS = 12, 3


@pytest.mark.slow
@pytest.mark.parametrize("max_staleness", [0, 1], ids=["in turns", "asynchronous"])
@pytest.mark.fault("B29", promise="A slow EnvRunner delays its own groups only.")
def test_a_slow_runner_plays_fewer_groups(
    build, corridor_config, max_staleness, tmp_path, record_property
):
    config = (
        corridor_config(num_groups=NUM_GROUPS, lr=1e-5)
        .environment(
            FaultyCorridor, env_config={"step_s": 0.02, "slow_file": str(tmp_path / "slow")}
        )
        .inference(engine="transformers", max_concurrent_episodes=4)
        .env_runners(num_env_runners=2, num_cpus_per_env_runner=0.5)
        .async_training(max_staleness=max_staleness)
    )
    algorithm = build(config)
    played = Counter()
    for _ in range(NUM_ITERATIONS):
        result = algorithm.train()["env_runners"]
        assert result["num_groups_lost"] == result["num_groups_stale"] == 0
        played.update({tag: one["num_episodes"] for tag, one in result["tags"].items()})
    slow, fast = played["slow"] / 4, played["fast"] / 4
    assert slow + fast == NUM_GROUPS * NUM_ITERATIONS
    assert slow < fast / 2
    record_property("happened", "the fast one played more than twice as many groups")
