"""ALFWorld on a plain CPU: find a thing and put it somewhere, or look at it under the lamp.

    rllib train file tuned_examples/alfworld_gigpo_tiny.py

Two of the six task types in generated rooms of about 8 to 30 places, a game of its own for each
seed, made at its first use (half a second). As in the main job (textworld_gigpo_tiny.py) a small
model is first fitted to noisy demonstrations.
"""

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.warm_start import DemonstrationSettings, FitSettings

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:ALFWorld-v0",
        env_config={
            "task_types": ["pick_and_place_simple", "look_at_obj_in_light"],
            "max_steps": 20,
        },
    )
    .tasks(num_train_tasks=64, num_test_tasks=64, max_episode_steps=20)
    .llm(max_prompt_tokens=512, max_response_tokens=20)
    .warm_start(
        demonstrations=DemonstrationSettings(episodes_per_seed=4, random_label_probability=0.3),
        fit=FitSettings(num_epochs=5),
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
