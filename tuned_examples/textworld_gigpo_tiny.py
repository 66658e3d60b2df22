"""The main job: GiGPO trains a small language model on real TextWorld, on a plain CPU.

    rllib train file tuned_examples/textworld_gigpo_tiny.py

Coin collector, level 5: find the coin at the end of a chain of rooms within 15 steps. A model of
0.3M parameters is first fitted to noisy demonstrations on the training games (no download; cached),
which lets it succeed in less than half of its episodes. GiGPO takes it from there.
"""

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.warm_start import (
    DemonstrationSettings,
    FitSettings,
    PromptSettings,
    WarmStartSettings,
    warm_start,
)

NUM_TRAIN_TASKS = 128
ENV = "rllib_gigpo.envs:TextWorld-v0"
ENV_CONFIG = {
    "challenge": "coin_collector",
    "level": 5,
    "max_steps": 15,
    "observation": "description",
}

# A small model needs short prompts: what it sees, its last three actions, and what it may do.
prompting = PromptSettings(template="compact", history_length=3, max_prompt_tokens=256)
model_path = warm_start(
    WarmStartSettings(
        env=ENV,
        env_config=ENV_CONFIG,
        seeds=tuple(range(NUM_TRAIN_TASKS)),
        prompting=prompting,
        demonstrations=DemonstrationSettings(episodes_per_seed=3, random_label_probability=0.8),
        fit=FitSettings(num_epochs=5),
    )
)

config = (
    GiGPOConfig()
    .environment(ENV, env_config={**ENV_CONFIG, "expert": False})
    .tasks(num_train_tasks=NUM_TRAIN_TASKS, num_test_tasks=128, max_episode_steps=15)
    .llm(model_path=str(model_path), max_prompt_tokens=256, max_response_tokens=12)
    .prompting(template="compact", history_length=3, action_tag=None, think_tag=None)
    .inference(eval_temperature=1.0)
    .training(
        group_size=8,
        num_groups=8,
        format_penalty=0.05,
        admissible_penalty=0.05,
        lr=5e-4,
        lr_warmup_iterations=2,
        kl_coeff=0.0,
        entropy_coeff=0.0,
        num_minibatches=4,
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
