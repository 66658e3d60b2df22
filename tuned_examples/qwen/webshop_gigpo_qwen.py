"""GiGPO on WebShop, following verl-agent's run, which reaches 67.4 % success in 150 iterations.

WEBSHOP_DATA is a folder with WebShop's items_shuffle_1000.json and items_ins_v2_1000.json. As in
the paper, a perfect purchase earns 10 and any other purchase 0.

The preset is verl-agent's for ALFWorld, with the changes of its WebShop run. Differences: training
never uses test goals; the anchor includes the chosen options, which the page does not show; the
prompt is worded differently; an iteration has 30 optimiser steps, while verl-agent takes one for
every 64 rows (30 for the 1,920 rows of early iterations).
"""

import os

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.recipes import qwen_on_gpus

data = os.environ.get("WEBSHOP_DATA")
files = {
    "items_file": f"{data}/items_shuffle_1000.json",
    "attributes_file": f"{data}/items_ins_v2_1000.json",
}


def make_config(preset: str, *, num_test_tasks: int) -> GiGPOConfig:
    """Return the WebShop config with a preset."""
    return (
        qwen_on_gpus(preset, beside=__file__)
        .environment(
            "rllib_gigpo.envs:WebShop-v0",
            env_config={
                **(files if data else {}),
                "max_steps": 15,
                "reward": "win",
                "observation": "page_without_goal",
            },
        )
        .tasks(num_test_tasks=num_test_tasks, max_episode_steps=15)
        .llm(max_prompt_tokens=4096)
        .prompting(require_think=True)
        .training(num_minibatches=30)
    )


config = make_config("gigpo-verl-agent", num_test_tasks=256)
config.training(rule={"normalize_by_std": False})
stop = {"training_iteration": 150}
