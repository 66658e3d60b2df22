"""One small model learns two kinds of TextWorld games in one run, in a ratio of three to one.

    rllib train file tuned_examples/tiny/mixture_gigpo_tiny.py

The success of each kind is reported under ``env_runners/tags``. `task_period` makes the shares
exact in every iteration: 6 groups of the coin collector and 2 of the treasure hunter.
"""

from rllib_gigpo import GiGPOConfig


def part(challenge: str, share: int) -> dict:
    """Return the part with the games of a challenge, at level 5."""
    settings = {"challenge": challenge, "level": 5, "max_steps": 15, "observation": "description"}
    return {
        "env": "rllib_gigpo.envs:TextWorld-v0",
        "env_config": settings,
        "share": share,
        "tags": [challenge],
    }


config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:Mixture-v0",
        env_config={"parts": [part("coin_collector", 3), part("treasure_hunter", 1)]},
    )
    .tasks(num_train_tasks=128, num_test_tasks=128, max_episode_steps=15, task_period=4)
    .warm_start(demonstrations={"episodes_per_seed": 3, "random_label_probability": 0.8})
    .debugging(seed=0)
)

stop = {"training_iteration": 35}
