"""One queue for all EnvRunners: the same batches whatever their number."""

import numpy as np
import pytest

from rllib_gigpo.batch.step_record import step_records

ENGINE = "support.quick_engine:QuickEngine"


def batches(build, config, num_env_runners, num_iterations):
    """Train and return what each batch holds, as bytes and numbers."""
    config.env_runners(num_env_runners=num_env_runners)
    config.num_cpus_per_env_runner = 0.25
    algorithm = build(config)
    held = []
    for _ in range(num_iterations):
        algorithm.train()
        rows = algorithm.last_batch["token_rows"]
        held.append(
            {
                "seeds": [one.custom_data["task_seed"] for one in algorithm.last_batch["episodes"]],
                "tokens": rows.token_ids.tobytes(),
                "logp": rows.rollout_logp.tobytes(),
                "advantages": rows.advantages.tobytes(),
            }
        )
    algorithm.stop()
    return held


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True], ids=["plain", "dynamic"])
def test_with_a_deterministic_engine_batches_are_bit_equal(build, corridor_config, dynamic):
    def config():
        made = corridor_config(num_groups=4, dynamic_sampling=dynamic, old_logp="recompute")
        return made.inference(engine=ENGINE, max_concurrent_episodes=4)

    local = batches(build, config(), 0, 5)
    assert len({batch["tokens"] for batch in local}) == 5
    for num_env_runners in (1, 2, 3):
        assert batches(build, config(), num_env_runners, 5) == local


@pytest.mark.slow
def test_with_vllm_the_first_batch_has_the_same_tokens(build, corridor_config):
    def first_batch(num_env_runners):
        config = corridor_config(num_groups=4).env_runners(num_env_runners=num_env_runners)
        config.num_cpus_per_env_runner = 0.5
        algorithm = build(config)
        algorithm.train()
        records = step_records(algorithm.last_batch["episodes"])
        algorithm.stop()
        return records

    one, two = first_batch(1), first_batch(2)
    assert [x.response_token_ids for x in one] == [x.response_token_ids for x in two]
    for first, second in zip(one, two, strict=True):
        np.testing.assert_allclose(first.rollout_logp, second.rollout_logp, rtol=0, atol=1e-5)
