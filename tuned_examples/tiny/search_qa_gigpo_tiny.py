"""Search QA on a CPU: two searches, then the answer, in a made-up world.

    rllib train file tuned_examples/tiny/search_qa_gigpo_tiny.py

A model of 0.3M parameters cannot write names by itself, so the prompt lists a search and an answer
for every entity in sight. The model learns which of them to choose. As in the main job
(textworld_gigpo_tiny.py), it is first fitted to noisy demonstrations of the expert. It is also
fitted to the prompts: they repeat names, which teaches the model to copy them.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:SearchQA-v0",
        env_config={
            "synthetic": {"num_people": 100, "num_hops": 2},
            "top_k": 2,
            "action_format": "plain",
            "list_actions": True,
        },
    )
    .tasks(num_train_tasks=256, num_test_tasks=64, max_episode_steps=4)
    .warm_start(
        demonstrations={"episodes_per_seed": 3, "random_action_probability": 0.3},
        fit={"num_epochs": 8, "prompt_loss_weight": 1.0},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 40}
