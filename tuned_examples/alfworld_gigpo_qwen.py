"""GiGPO on ALFWorld with Qwen2.5-1.5B-Instruct, on two GPUs, after the published run.

    ALFWORLD_DATA=path/to/alfworld QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct \
        rllib train file tuned_examples/alfworld_gigpo_qwen.py

``alfworld-download`` fills ALFWORLD_DATA; without it the games are generated ones, which are not
comparable with published results. Training plays the split "train", evaluation all 140 games of
"valid_seen". verl-agent reports 86.7 % success after 150 iterations.

All settings of the preset hold. What differs from verl-agent's run: a win earns 1 instead of 10,
and an invalid answer costs a tenth of its 0.1, which is the same after the division by the standard
deviation; an iteration has 25 optimiser steps, where verl-agent has one for each 256 rows (25 for
the 6,400 rows of early iterations, fewer later); the anchor is what the agent sees and holds
instead of the last answer of the game; the prompt's words are ours; evaluation plays the same 140
games each time instead of 128 that change. docs/algorithms.md says what differs in every run.

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
    """A preset on ALFWorld, for this file and those with other presets."""
    return (
        GiGPOConfig.preset(preset)
        .environment(
            "rllib_gigpo.envs:ALFWorld-v0",
            env_config={
                "data_dir": os.environ.get("ALFWORLD_DATA"),
                "split": "train",
                "test_split": "valid_seen",
                "max_steps": 50,
            },
        )
        .tasks(num_train_tasks=3553, num_test_tasks=140)
        .llm(model_path=model_path, autocast_dtype="bfloat16", gradient_checkpointing=True)
        .inference(engine_dtype="bfloat16")
        .prompting(require_think=True)
        .training(penalties={"format": 0.01}, num_minibatches=25, micro_batch_tokens=32768)
        .env_runners(num_env_runners=1, num_gpus_per_env_runner=1, num_env_workers=4)
        .learners(num_learners=1, num_gpus_per_learner=1)
        .evaluation(evaluation_interval=5)
        .debugging(seed=0)
    )


config = make_config("gigpo-verl-agent")
stop = {"training_iteration": 150}
