"""GiGPO on WebShop with Qwen2.5-1.5B-Instruct, on two GPUs.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct WEBSHOP_DATA=path/to/data \
        rllib train file tuned_examples/webshop_gigpo_qwen.py

WEBSHOP_DATA is a folder with WebShop's items_shuffle_1000.json and items_ins_v2_1000.json; without
it the shop is generated. The settings are those of verl-agent's WebShop run with the same model:
16 groups of 8, prompts of 4,096 and answers of 512 tokens, 15 steps, gamma 0.95, advantages not
divided by a standard deviation, AdamW at a constant 1e-6, KL 0.01 (k3), entropy 0.001, history 2,
10 for a perfect purchase and 0 for others, 0.1 off for an answer without the format, evaluation on
256 goals at temperature 0.4. Early on its 1,920 rows make 30 optimiser steps of 64 rows. Unlike
there, test goals are never trained on.

``--dry-run`` needs neither GPU nor weights. Untested on GPUs.
"""

import os
from pathlib import Path

from rllib_gigpo import GiGPOConfig

# The folder needs config.json, tokenizer and, to train, the weights. The config alone, of the model
# as published, stands beside this file for the dry run.
model_path = os.environ.get("QWEN_PATH", str(Path(__file__).with_name("qwen2.5-1.5b-instruct")))
data = os.environ.get("WEBSHOP_DATA")
files = {
    "items_file": f"{data}/items_shuffle_1000.json",
    "attributes_file": f"{data}/items_ins_v2_1000.json",
}

config = (
    GiGPOConfig()
    .environment(
        "rllib_gigpo.envs:WebShop-v0",
        env_config={
            **(files if data else {}),
            "max_steps": 15,
            "reward": "win",
            "observation": "page_without_goal",
        },
    )
    .tasks(num_train_tasks=None, num_test_tasks=256, max_episode_steps=15)
    .llm(
        model_path=model_path,
        autocast_dtype="bfloat16",
        gradient_checkpointing=True,
        max_prompt_tokens=4096,
        max_response_tokens=512,
    )
    .inference(engine_dtype="bfloat16", eval_temperature=0.4)
    .prompting(template="default", history_length=2, require_think=True)
    .training(
        group_size=8,
        num_groups=16,
        gamma=0.95,
        step_weight=1.0,
        normalize_by_std=False,
        format_penalty=0.1,
        lr=1e-6,
        kl_coeff=0.01,
        entropy_coeff=0.001,
        num_minibatches=30,
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
