"""FrozenLake with sub-goals on a CPU: HiPER's rule, with values from equal states.

    rllib train file tuned_examples/tiny/frozen_lake_hiper_tiny.py

Each answer keeps or switches a sub-goal, names it, and acts. The demonstrations name the direction
of their next move and keep it as long as they move that way, so a segment is a straight walk. GiGPO
alone is in frozen_lake_gigpo_tiny.py.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:FrozenLake-v0",
        env_config={"size": 4, "is_slippery": False, "rules": "roll", "max_steps": 20},
    )
    .tasks(num_train_tasks=256, num_test_tasks=64, max_episode_steps=20)
    # The grid is the whole state, and the sub-goal is what a KEEP refers to.
    .prompting(
        template="{{ observation }}\nnow: {{ sub_goal }}",
        history_length=0,
        sub_goals=True,
        action_tag="action",
    )
    .llm(max_prompt_tokens=64, max_response_tokens=32)
    .training(rule="hiper", penalties={"sub_goal": 0.05})
    .warm_start(
        demonstrations={"episodes_per_seed": 2, "random_label_probability": 0.3},
        fit={"num_epochs": 3},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 60}
