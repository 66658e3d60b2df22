"""Train while Ray's object store is full, and print the number of groups of each iteration.

python full_store.py MODEL MAX_STALENESS
"""

import json
import sys

import numpy as np
import ray

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.errors import GiGPOError

STORE_BYTES = 80_000_000


def main(model, max_staleness):
    ray.init(
        "local",
        num_cpus=2,
        object_store_memory=STORE_BYTES,
        log_to_driver=False,
        include_dashboard=False,
    )
    config = (
        GiGPOConfig()
        .environment("rllib_gigpo.envs:Corridor-v0", env_config={"length": 3, "max_steps": 6})
        .llm(model_path=model, max_prompt_tokens=256, max_response_tokens=4)
        .prompting(template="compact", action_tag=None, think_tag=None)
        .inference(engine="transformers")
        .tasks(num_train_tasks=8, num_test_tasks=4, max_episode_steps=6)
        .training(group_size=4, num_groups=4, num_minibatches=2, lr=1e-3, kl_coeff=0.0)
        .env_runners(num_env_runners=1, num_cpus_per_env_runner=0.5)
        .async_training(max_staleness=int(max_staleness))
        .reporting(transcripts={"interval": 0})
        .debugging(seed=0)
    )
    algorithm = config.build_algo()
    algorithm.train()
    held, error = fill()
    num_groups = []
    try:
        for _ in range(5):
            num_groups.append(algorithm.train()["env_runners"]["num_episodes"] / 4)
    except GiGPOError as failure:
        error = str(failure)
    algorithm.stop()
    ray.shutdown()
    print(json.dumps({"num_groups": num_groups, "num_held": len(held), "error": error}))


def fill():
    """Put twice as much as the store holds, or as much as possible."""
    held = []
    try:
        for _ in range(16):
            held.append(ray.put(np.random.default_rng(0).random(STORE_BYTES // 64)))
    except Exception as error:
        return held, f"{type(error).__name__}: {error}"
    return held, None


if __name__ == "__main__":
    main(*sys.argv[1:])
