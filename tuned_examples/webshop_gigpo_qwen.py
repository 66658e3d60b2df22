"""GiGPO on WebShop with Qwen2.5-1.5B-Instruct, on two GPUs, after the published run.

    QWEN_PATH=path/to/Qwen2.5-1.5B-Instruct WEBSHOP_DATA=path/to/data \
        rllib train file tuned_examples/webshop_gigpo_qwen.py

WEBSHOP_DATA is a folder with WebShop's items_shuffle_1000.json and items_ins_v2_1000.json; without
it the shop is generated. As published, a perfect purchase earns 10 and any other 0. verl-agent
reports 67.4 % success after 150 iterations.

The preset has the settings of verl-agent's ALFWorld run; what its WebShop run changes stands below:
longer prompts, fewer steps, advantages that are not divided by a standard deviation, 256 test
goals. What differs from that run: test goals are never trained on; the anchor holds the chosen
options, which the page does not show; the prompt's words are ours; an iteration has 30 optimiser
steps, where verl-agent has one for each 64 rows (30 for the 1,920 rows of early iterations).
docs/algorithms.md says what differs in every run.

``--dry-run`` needs neither GPU nor weights. Untested on GPUs.
"""

import os
from pathlib import Path

from rllib_gigpo import GiGPOConfig

# The folder needs config.json, tokenizer and, to train, the weights. The config of the published
# model, without weights, comes with the examples: it is enough for the dry run.
model_path = os.environ.get("QWEN_PATH", str(Path(__file__).with_name("qwen2.5-1.5b-instruct")))
data = os.environ.get("WEBSHOP_DATA")
files = {
    "items_file": f"{data}/items_shuffle_1000.json",
    "attributes_file": f"{data}/items_ins_v2_1000.json",
}


def make_config(preset: str, *, num_test_tasks: int) -> GiGPOConfig:
    """A preset on WebShop, for this file and those with other presets."""
    return (
        GiGPOConfig.preset(preset)
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
        .llm(
            model_path=model_path,
            autocast_dtype="bfloat16",
            gradient_checkpointing=True,
            max_prompt_tokens=4096,
        )
        .inference(engine_dtype="bfloat16")
        .prompting(require_think=True)
        .training(num_minibatches=30, micro_batch_tokens=32768)
        .env_runners(num_env_runners=1, num_gpus_per_env_runner=1)
        .learners(num_learners=1, num_gpus_per_learner=1)
        .evaluation(evaluation_interval=5)
        .debugging(seed=0)
    )


config = make_config("gigpo-verl-agent", num_test_tasks=256)
config.training(rule={"normalize_by_std": False})
stop = {"training_iteration": 150}
