"""The main job: GiGPO trains a small language model on real TextWorld games, on a CPU.

    rllib train file tuned_examples/tiny/textworld_gigpo_tiny.py

Coin collector, level 5: find the coin at the end of a chain of rooms within 15 steps. A model of
0.3M parameters is first fitted to noisy demonstrations on the training games. The fit downloads
nothing and is cached, and the model then succeeds in less than half of its episodes. GiGPO improves
it from there.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:TextWorld-v0",
        env_config={
            "challenge": "coin_collector",
            "level": 5,
            "max_steps": 15,
            "observation": "description",
            "expert": False,
        },
    )
    .tasks(num_train_tasks=128, num_test_tasks=128, max_episode_steps=15)
    .warm_start(
        env_config={"expert": True},
        demonstrations={"episodes_per_seed": 3, "random_label_probability": 0.8},
        fit={"num_epochs": 5},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}
