"""GiGPO on Sokoban with a text model, following verl-agent's run with a vision model.

The preset is that of verl-agent's ALFWorld run, with the changes of its Sokoban run. Differences:
verl-agent trains Qwen2.5-VL-3B-Instruct on pictures of the levels, without a history; this model
reads the grids of the current step and the last two. The 4,096 levels come from another generator.
An iteration has 60 optimiser steps, while verl-agent takes one for every 64 rows (60 for the 3,840
rows of early iterations).
"""

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.recipes import qwen_on_gpus


def make_config(preset: str) -> GiGPOConfig:
    """Return the Sokoban config with a preset."""
    return (
        qwen_on_gpus(preset, beside=__file__)
        .environment(
            "rllib_gigpo.envs:Sokoban-v0",
            env_config={"dim": [6, 6], "num_boxes": 1, "max_steps": 15},
        )
        .tasks(num_train_tasks=4096, num_test_tasks=128, max_episode_steps=15)
        .llm(max_prompt_tokens=1024)
        .prompting(template="grid", require_think=True)
        .training(num_groups=32, rule={"normalize_by_std": False}, num_minibatches=60)
    )


config = make_config("gigpo-verl-agent")
stop = {"training_iteration": 150}
