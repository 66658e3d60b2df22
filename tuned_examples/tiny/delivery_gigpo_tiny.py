"""Delivery on a CPU: fetch a parcel and drop it at the door, with three times the steps it takes.

    rllib train file tuned_examples/tiny/delivery_gigpo_tiny.py
    rllib train file tuned_examples/tiny/delivery_gigpo_tiny.py --set env_config.slack=1.5

The prompt is the bare grid, one token per cell, and shows the whole state. As in the main job
(textworld_gigpo_tiny.py), a model of 0.3M parameters is first fitted to noisy demonstrations.
These are played with the slack of this file, so runs with another slack start from the same model,
which is fitted only once. After that, a run takes about a minute.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:Delivery-v0",
        env_config={"size": 3, "num_walls": 2, "slack": 3},
    )
    # No task needs more than 13 steps, so this cuts no episode up to a slack of 7.
    .tasks(num_train_tasks=1024, num_test_tasks=256, max_episode_steps=100)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .training(lr=3e-4)
    # More noise than the default: the answers of the first model are seldom the expert's.
    .warm_start(demonstrations={"random_label_probability": 0.65})
    .debugging(seed=0)
)

stop = {"training_iteration": 25}
