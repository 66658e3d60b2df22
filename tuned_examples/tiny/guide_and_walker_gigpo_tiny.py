"""Two agents on a CPU: a guide sees a 3x3 map, and a walker hears one word before each move.

    rllib train file tuned_examples/tiny/guide_and_walker_gigpo_tiny.py

One model plays both roles and learns from both; their statistics are separate
(docs/several_agents.md). The prompts are the bare map and the bare word. As in the main job
(textworld_gigpo_tiny.py), a model of 0.3M parameters is first fitted to noisy demonstrations. The
words are colours, so what they mean is up to the two. This takes some minutes.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:GuideAndWalker-v0",
        env_config={"size": 3, "num_walls": 1, "words": "colours", "max_steps": 16},
    )
    .tasks(num_train_tasks=512, num_test_tasks=128, max_episode_steps=16)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    # Each role learns what the other means; with 8 groups and 5e-4 they may lose it again.
    .training(num_groups=16, lr=3e-4)
    .warm_start(
        demonstrations={
            "random_action_probability": 0.3,  # more, and the walker seldom comes to the goal
            "max_episode_steps": 16,
        },
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 40}
