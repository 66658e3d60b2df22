"""BabyAI on a CPU: go to the object that the task names, in at most 20 steps.

    rllib train file tuned_examples/tiny/minigrid_gigpo_tiny.py

The agent reads a description of what it sees. As in the main job (textworld_gigpo_tiny.py), a
model of 0.3M parameters is first fitted to noisy demonstrations, played by BabyAI's own bot. The
model also learns to predict the prompts.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:MiniGrid-v0",
        env_config={"name": "BabyAI-GoToObj-v0", "max_steps": 20},
    )
    .tasks(num_train_tasks=256, num_test_tasks=128, max_episode_steps=20)
    .llm(max_prompt_tokens=512)
    .warm_start(
        demonstrations={"episodes_per_seed": 2, "random_label_probability": 0.8},
        fit={"num_epochs": 5, "prompt_loss_weight": 1.0},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}
