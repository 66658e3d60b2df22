"""Points24 on a CPU: a formula for 24 from four cards, one symbol per turn, at most 20 turns.

    rllib train file tuned_examples/tiny/points24_gigpo_tiny.py

As in the main job (textworld_gigpo_tiny.py), a model of 0.3M parameters is first fitted to
demonstrations, but with few random labels, because nearly every random formula is wrong and a model
that never wins has nothing to compare. It cannot calculate; it memorises the formulas of these 64
hands. Hands without a solution are left out. A correct formula earns 10.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:Points24-v0", env_config={"max_steps": 20, "solvable_only": True}
    )
    .tasks(num_train_tasks=64, num_test_tasks=128, max_episode_steps=20)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    # With a penalty for numbers that are not on the cards, the agent learns to write "=" at once.
    .training(penalties={"format": 0.5, "admissible": 0.0})
    .warm_start(
        demonstrations={
            "episodes_per_seed": 16,
            "random_action_probability": 0.1,
            "random_label_probability": 0.1,
        },
        fit={"num_epochs": 12},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}
