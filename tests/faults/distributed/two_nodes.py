"""Train on a cluster of two nodes, whose second one, with the EnvRunners, is lost and replaced.

    python two_nodes.py MODEL PLAN

PLAN is JSON: ``max_staleness``; ``num_survivors``, the EnvRunners on the first node; and ``when``,
"groups" or "weights", which are under way when the node is lost. The last line that it prints is
JSON too.
"""

import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import ray
from faults.distributed.faulty_engine import ENGINE
from ray.cluster_utils import Cluster

from rllib_gigpo import GiGPOConfig

LOST_AT = 3  # policy version
NUM_ITERATIONS = 10


def main(model, plan):
    here = {"num_cpus": 4, "resources": {"runner": plan["num_survivors"]}}
    there = {"num_cpus": 2, "resources": {"runner": 2 - plan["num_survivors"]}}
    # Ray sets a handler of signals otherwise, which a thread that adds a node may not.
    cluster = Cluster(initialize_head=True, head_node_args=here, shutdown_at_exit=False)
    try:
        told = train(cluster, there, model, plan)
    finally:
        cluster.shutdown()
    left = [process.name() for process in psutil.Process().children(recursive=True)]
    print(json.dumps({**told, "left": [name for name in left if "ray" in name]}))


def train(cluster, there, model, plan):
    node = cluster.add_node(**there)
    ray.init(address=cluster.address, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "loading"
        algorithm = make_config(model, plan, file).build_algo()
        is_lost, is_replaced = threading.Event(), threading.Event()

        def lose_node():
            condition = file.exists if plan["when"] == "weights" else reached(algorithm)
            while not condition():
                time.sleep(0.05)
            cluster.remove_node(node, allow_graceful=False)
            is_lost.set()
            time.sleep(1)
            cluster.add_node(**there)
            is_replaced.set()

        thread = threading.Thread(target=lose_node)
        thread.start()
        seconds, num_groups = [], []
        for _ in range(NUM_ITERATIONS):
            start = time.monotonic()
            result = algorithm.train()
            seconds.append(time.monotonic() - start)
            num_groups.append(result["env_runners"]["num_episodes"] / 4)
        thread.join()
        algorithm.stop()
    ray.shutdown()
    return {
        "is_lost": is_lost.is_set(),
        "is_replaced": is_replaced.is_set(),
        "num_groups": num_groups,
        "slowest_s": max(seconds),
    }


def reached(algorithm):
    return lambda: algorithm.policy_version >= LOST_AT


def make_config(model, plan, file):
    return (
        GiGPOConfig()
        .environment("rllib_gigpo.envs:Corridor-v0", env_config={"length": 3, "max_steps": 6})
        .llm(model_path=model, max_prompt_tokens=256, max_response_tokens=4)
        .prompting(template="compact", action_tag=None, think_tag=None)
        .inference(
            engine=ENGINE,
            engine_kwargs={
                "fault": "slow" if plan["when"] == "weights" else "none",
                "at": LOST_AT,
                "file": str(file),
            },
        )
        .tasks(num_train_tasks=8, num_test_tasks=4, max_episode_steps=6)
        .training(group_size=4, num_groups=4, num_minibatches=2, lr=1e-3, kl_coeff=0.0)
        .env_runners(
            num_env_runners=2,
            num_cpus_per_env_runner=0.5,
            custom_resources_per_env_runner={"runner": 1},
        )
        .async_training(max_staleness=plan["max_staleness"])
        .reporting(transcripts={"interval": 0})
        .debugging(seed=0)
    )


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
