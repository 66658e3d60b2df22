"""Delivery with forks on a CPU: half of each group returns to states that one episode visited.

    rllib train file tuned_examples/tiny/delivery_forks_tiny.py

All else is as in delivery_gigpo_tiny.py. docs/how_to/forks.md explains the plans.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:Delivery-v0",
        env_config={"size": 3, "num_walls": 2, "slack": 3},
    )
    .tasks(num_train_tasks=1024, num_test_tasks=256, max_episode_steps=100)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .training(group_plan="lone_states", lr=3e-4)
    .warm_start(demonstrations={"random_label_probability": 0.65})
    .debugging(seed=0)
)

stop = {"training_iteration": 25}
