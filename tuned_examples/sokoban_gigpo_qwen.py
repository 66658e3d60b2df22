"""GiGPO on Sokoban with a Qwen2.5 text model, on two GPUs.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct rllib train file tuned_examples/sokoban_gigpo_qwen.py

verl-agent's script trains Qwen2.5-VL-3B-Instruct on pictures of the levels; here a text model reads
the grid. The hyper-parameters are the script's: 32 groups of 8, prompts of 1,024 and answers of 512
tokens, 15 steps, gamma 0.95, no division by the standard deviation, AdamW at a constant 1e-6, KL
0.01 (k3), entropy 0.001, evaluation at temperature 0.4, history 2, 0.1 for an invalid answer at a
win of 10; early on its 3,840 rows make 60 optimiser steps of 64 rows.

``--dry-run`` needs neither GPU nor weights: it estimates the memory per GPU from the model's
config, lists what it would ask of Ray, and runs one iteration with tiny weights. Untested on GPUs.
"""

import os
from pathlib import Path

from rllib_gigpo import GiGPOConfig

# The folder needs config.json, tokenizer and, to train, the weights. The config alone, of the model
# as published, stands beside this file for the dry run.
model_path = os.environ.get("QWEN_PATH", str(Path(__file__).with_name("qwen2.5-1.5b-instruct")))

config = (
    GiGPOConfig()
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
        max_response_tokens=512,
    )
    .inference(engine_dtype="bfloat16", eval_temperature=0.4)
    .prompting(
        template=str(Path(__file__).with_name("grid.jinja")),
        history_length=2,
        require_think=True,
    )
    .training(
        group_size=8,
        num_groups=32,
        gamma=0.95,
        step_weight=1.0,
        normalize_by_std=False,
        format_penalty=0.1,
        lr=1e-6,
        kl_coeff=0.01,
        entropy_coeff=0.001,
        num_minibatches=60,
        micro_batch_tokens=32768,
    )
    .env_runners(num_env_runners=1, num_gpus_per_env_runner=1)
    .learners(num_learners=1, num_gpus_per_learner=1)
    .evaluation(evaluation_interval=5)
    .debugging(seed=0)
)

stop = {"training_iteration": 150}

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
