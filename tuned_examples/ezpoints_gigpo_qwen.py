"""GiGPO on EZPoints with a Qwen2.5 text model, on two GPUs, after the published run.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct rllib train file tuned_examples/ezpoints_gigpo_qwen.py

The preset has the settings of verl-agent's ALFWorld run; what its EZPoints run changes stands
below: shorter prompts, fewer steps, no history (the formula so far is part of the state),
advantages that are not divided by a standard deviation. What differs from that run: it trains
Qwen2.5-VL-3B-Instruct on pictures of the cards, and its answers are JSON; here a text model reads
them and answers between tags. An iteration has 8 optimiser steps, where verl-agent has one for each
128 rows (8 for 1,024 rows, the most there can be). There are few different hands: training and test
tasks share them. docs/algorithms.md says what differs in every run.

``--dry-run`` needs neither GPU nor weights: it estimates the memory per GPU from the model's
config, lists what it would ask of Ray, and runs one iteration with tiny weights. Untested on GPUs.
"""

import os
from pathlib import Path

from rllib_gigpo import GiGPOConfig

# The folder needs config.json, tokenizer and, to train, the weights. The config of the published
# model, without weights, comes with the examples: it is enough for the dry run.
model_path = os.environ.get("QWEN_PATH", str(Path(__file__).with_name("qwen2.5-1.5b-instruct")))

config = (
    GiGPOConfig.preset("gigpo-verl-agent")
    .environment("rllib_gigpo.envs:EZPoints-v0", env_config={"max_steps": 8})
    .tasks(num_train_tasks=1024, num_test_tasks=128, max_episode_steps=8)
    .llm(
        model_path=model_path,
        autocast_dtype="bfloat16",
        gradient_checkpointing=True,
        max_prompt_tokens=1024,
    )
    .inference(engine_dtype="bfloat16")
    .prompting(history_length=0, require_think=True)
    .training(rule={"normalize_by_std": False}, num_minibatches=8, micro_batch_tokens=32768)
    .env_runners(num_env_runners=1, num_gpus_per_env_runner=1)
    .learners(num_learners=1, num_gpus_per_learner=1)
    .evaluation(evaluation_interval=5)
    .debugging(seed=0)
)

stop = {"training_iteration": 100}
