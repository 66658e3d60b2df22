"""ALFWorld on a CPU: find an object and put it somewhere, or look at it under the lamp.

    rllib train file tuned_examples/tiny/alfworld_gigpo_tiny.py

Plays two of the six task types in generated rooms with about 8 to 30 places. Each seed has its own
game, generated at its first use (half a second). Besides what the agent sees, the prompt
(`alfworld_tiny`) lists the possible actions, and the places to go to by name only, which takes a
third of the tokens of the full list. As in the main job (textworld_gigpo_tiny.py), a small model is
first fitted to noisy demonstrations, which takes some minutes. The expert knows where everything
is; the agent must search.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:ALFWorld-v0",
        env_config={
            "task_types": ["pick_and_place_simple", "look_at_obj_in_light"],
            "max_steps": 20,
        },
    )
    .tasks(num_train_tasks=256, num_test_tasks=64, max_episode_steps=20)
    .prompting(template="alfworld_tiny")
    .llm(max_prompt_tokens=400, max_response_tokens=20)
    .warm_start(
        demonstrations={"episodes_per_seed": 4, "random_label_probability": 0.1},
        fit={"num_epochs": 5},
    )
    # The model was fitted to 256 games; 32 of them recur often enough to be learnt in minutes.
    .tasks(num_train_tasks=32)
    # No penalty for inadmissible actions: most first attempts to take an object fail (it is not
    # there, or its number is wrong), so a penalty teaches the agent not to take anything.
    .training(lr=1e-3, penalties={"admissible": 0.0})
    .debugging(seed=0)
)

stop = {"training_iteration": 32}
