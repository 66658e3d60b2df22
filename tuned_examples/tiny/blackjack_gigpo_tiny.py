"""Blackjack on a CPU: hit or stand.

    rllib train file tuned_examples/tiny/blackjack_gigpo_tiny.py

As in the main job (textworld_gigpo_tiny.py), the model has 0.3M parameters and is first fitted to
noisy demonstrations. They play basic strategy, which wins 43 of 100 hands; always standing wins 38.
A hand takes one or two steps and depends mostly on luck. Training therefore needs many groups per
iteration and a small learning rate; otherwise the agent soon stands on everything.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment("rllib_gigpo.envs:Blackjack-v0", env_config={"max_steps": 15})
    .tasks(num_train_tasks=1024, num_test_tasks=512, max_episode_steps=15)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .training(num_groups=64, lr=2e-4)
    .warm_start(demonstrations={"episodes_per_seed": 8})
    .debugging(seed=0)
)

stop = {"training_iteration": 40}
