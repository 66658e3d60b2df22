"""GiGPO on EZPoints with a text model, after verl-agent's run with a vision model.

The preset has the settings of verl-agent's ALFWorld run; the settings below are those that its
EZPoints run changes. The prompt has no history, because the formula so far is part of the state.
Where it differs: verl-agent trains Qwen2.5-VL-3B-Instruct on pictures of the cards and asks for
JSON; this model reads the cards and answers between tags. An iteration has 8 optimiser steps, where
verl-agent takes one for every 128 rows (8 for 1,024 rows, the most there can be). There are few
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
