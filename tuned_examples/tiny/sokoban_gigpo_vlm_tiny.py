"""Sokoban on a CPU, as pictures."""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:Sokoban-v0",
        env_config={
            "dim": [5, 5],
            "num_boxes": 1,
            "max_steps": 15,
            "expert": False,
            "observation": "image",
        },
    )
    .tasks(num_train_tasks=1024, num_test_tasks=128, max_episode_steps=15)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .training(num_groups=16, penalties={"format": 0.5, "admissible": 0.5})  # for a win of 10
    .warm_start(
        env_config={"expert": True},
        demonstrations={"episodes_per_seed": 4, "random_label_probability": 0.7},
        tiny_model={"image_size": 80, "patch_size": 16},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 40}
