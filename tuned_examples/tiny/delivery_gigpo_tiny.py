"""Delivery on a CPU: fetch a parcel and drop it at the door, with three times the steps it takes.

    rllib train file tuned_examples/tiny/delivery_gigpo_tiny.py
    rllib train file tuned_examples/tiny/delivery_gigpo_tiny.py --set env_config.slack=1.5

"""

import os

from rllib_gigpo import GiGPOConfig

E = os.environ.get
config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:Delivery-v0",
        env_config={"size": int(E("SIZE", 4)), "num_walls": int(E("WALLS", 2)), "slack": 3},
    )
    .tasks(num_train_tasks=1024, num_test_tasks=256, max_episode_steps=200)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .training(lr=float(E("LR", 5e-4)))
    .warm_start(
        demonstrations={"random_label_probability": float(E("NOISE", 0.5)), "episodes_per_seed": int(E("EPS", 1))},
        fit={"num_epochs": int(E("EPOCHS", 4))},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 25}
