"""FrozenLake on a CPU: a 4x4 lake that is not slippery, start and goal anywhere, at most 20 steps.

    rllib train file tuned_examples/tiny/frozen_lake_gigpo_tiny.py

The prompt is the bare grid, one token per cell. It holds the whole state, and a small model learns
to read it far sooner without words around it. As in the main job (textworld_gigpo_tiny.py), a model
of 0.3M parameters is first fitted to noisy demonstrations, which walk shortest paths on the
training lakes. This takes some minutes.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:FrozenLake-v0",
        env_config={"size": 4, "is_slippery": False, "rules": "roll", "max_steps": 20},
    )
    .tasks(num_train_tasks=1024, num_test_tasks=128, max_episode_steps=20)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .warm_start(
        demonstrations={"episodes_per_seed": 4},
        fit={"num_epochs": 6},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 60}
