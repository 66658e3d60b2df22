"""Blackjack on a CPU: hit or stand.

    rllib train file tuned_examples/tiny/blackjack_gigpo_tiny.py

As in the main job (textworld_gigpo_tiny.py) a model of 0.3M parameters is first fitted to noisy
demonstrations, here of basic strategy, which itself wins 43 of 100 hands; always to stand wins 38.
A hand takes one or two steps, and luck decides most: many groups an iteration, and a small learning
rate, or the agent soon stands on everything.
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
