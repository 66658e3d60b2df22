"""Coin collector at level 10 on a CPU: ten rooms on the way, at most 30 steps.

    rllib train file tuned_examples/tiny/textworld_coin10_gigpo_tiny.py

The same as the main job (textworld_gigpo_tiny.py), but twice as deep: the more steps an episode
has, the less its return alone says about each of them.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:TextWorld-v0",
        env_config={
            "challenge": "coin_collector",
            "level": 10,
            "max_steps": 30,
            "observation": "description",
            "expert": False,
        },
    )
    .tasks(num_train_tasks=128, num_test_tasks=128, max_episode_steps=30)
    .warm_start(
        env_config={"expert": True},
        demonstrations={"episodes_per_seed": 3, "random_label_probability": 0.8},
        fit={"num_epochs": 5},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}
