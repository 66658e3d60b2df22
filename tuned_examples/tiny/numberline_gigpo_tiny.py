"""NumberLine on a CPU: walk from one number to another, in at most 10 steps.

    rllib train file tuned_examples/tiny/numberline_gigpo_tiny.py

The prompt is the bare state. As in the main job (textworld_gigpo_tiny.py), a model of 0.3M
parameters is first fitted to noisy demonstrations. There are only 30 different tasks, so training
and test share them.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment("rllib_gigpo.envs:NumberLine-v0", env_config={"max_steps": 10})
    .tasks(num_train_tasks=64, num_test_tasks=64, max_episode_steps=10)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .warm_start(demonstrations={"episodes_per_seed": 4})
    .debugging(seed=0)
)

stop = {"training_iteration": 30}
