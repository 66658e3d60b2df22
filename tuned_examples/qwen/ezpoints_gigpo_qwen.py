"""GiGPO on EZPoints with a text model, following verl-agent's run with a vision model.

The preset holds the settings of verl-agent's ALFWorld run; this file changes those that differ in
its EZPoints run. The prompt has no history, because the formula so far is part of the state.
Differences: verl-agent trains Qwen2.5-VL-3B-Instruct on pictures of the cards and asks for JSON;
this model reads the cards as text and answers between tags. An iteration has 8 optimiser steps,
while verl-agent takes one for every 128 rows (8 for 1,024 rows, the maximum). There are few
different hands, so training and test tasks overlap.
"""

from rllib_gigpo.recipes import qwen_on_gpus

config = (
    qwen_on_gpus("gigpo-verl-agent", beside=__file__)
    .environment("rllib_gigpo.envs:EZPoints-v0", env_config={"max_steps": 8})
    .tasks(num_train_tasks=1024, num_test_tasks=128, max_episode_steps=8)
    .llm(max_prompt_tokens=1024)
    .prompting(history_length=0, require_think=True)
    .training(rule={"normalize_by_std": False}, num_minibatches=8)
)
stop = {"training_iteration": 100}
