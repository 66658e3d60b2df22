"""GiGPO on Sokoban with a Qwen2.5 text model, on two GPUs, after the published run.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct rllib train file tuned_examples/sokoban_gigpo_qwen.py

The preset has the settings of verl-agent's ALFWorld run; what its Sokoban run changes stands below:
32 groups, shorter prompts, fewer steps, advantages that are not divided by a standard deviation.
What differs from that run: it trains Qwen2.5-VL-3B-Instruct on pictures of the levels, without a
history; here a text model reads the grids of this step and the last two. Levels are drawn by
another generator, from 4,096 seeds. An iteration has 60 optimiser steps, where verl-agent has one
for each 64 rows (60 for the 3,840 rows of early iterations). docs/algorithms.md says what differs
in every run.

``--dry-run`` needs neither GPU nor weights: it estimates the memory per GPU from the model's
config, lists what it would ask of Ray, and runs one iteration with tiny weights. Untested on GPUs.
"""

import os
from pathlib import Path

from rllib_gigpo import GiGPOConfig

# The folder needs config.json, tokenizer and, to train, the weights. The config of the published
# model, without weights, comes with the examples: it is enough for the dry run.
model_path = os.environ.get("QWEN_PATH", str(Path(__file__).with_name("qwen2.5-1.5b-instruct")))


def make_config(preset: str) -> GiGPOConfig:
    """A preset on Sokoban, for this file and those with other presets."""
    return (
        GiGPOConfig.preset(preset)
        .environment(
            "rllib_gigpo.envs:Sokoban-v0",
            env_config={"dim": [6, 6], "num_boxes": 1, "max_steps": 15},
        )
        .tasks(num_train_tasks=4096, num_test_tasks=128, max_episode_steps=15)
        .llm(
            model_path=model_path,
            autocast_dtype="bfloat16",
            gradient_checkpointing=True,
            max_prompt_tokens=1024,
        )
        .inference(engine_dtype="bfloat16")
        .prompting(template=str(Path(__file__).with_name("grid.jinja")), require_think=True)
        .training(
            num_groups=32,
            rule={"normalize_by_std": False},
            num_minibatches=60,
            micro_batch_tokens=32768,
        )
        .env_runners(num_env_runners=1, num_gpus_per_env_runner=1)
        .learners(num_learners=1, num_gpus_per_learner=1)
        .evaluation(evaluation_interval=5)
        .debugging(seed=0)
    )


config = make_config("gigpo-verl-agent")
stop = {"training_iteration": 150}
