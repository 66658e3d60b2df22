"""WebShop on a CPU: buy what the customer asks for in a small generated shop.

    rllib train file tuned_examples/tiny/webshop_gigpo_tiny.py

The shop has forty products of twenty kinds. In at most 10 steps, the agent must search for the
kind, open the right one of two or more products, choose its colour and size, and buy. A perfect
purchase earns 10. (If WebShop's score is the reward, a small agent learns to buy at once, without
the options, for a safe 0.5.) The prompt is `webshop_tiny`. As in the main job
(textworld_gigpo_tiny.py), a small model is first fitted to noisy demonstrations, and here also to
the prompts: they repeat names, so it learns to copy them.
"""

from rllib_gigpo import GiGPOConfig

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:WebShop-v0",
        env_config={
            "num_products": 40,
            "num_test_goals": 100,
            "max_steps": 10,
            "reward": "win",
            "observation": "page_without_goal",
            "expert": False,
        },
    )
    .prompting(template="webshop_tiny", history_length=6)
    .llm(max_prompt_tokens=512, max_response_tokens=24)
    .tasks(num_train_tasks=128, num_test_tasks=100, max_episode_steps=10)
    .training(penalties={"format": 0.5, "admissible": 0.5})  # of a win of 10: the same as 0.05 of 1
    .warm_start(
        env_config={"expert": True},
        demonstrations={"episodes_per_seed": 3, "random_label_probability": 0.05},
        fit={"num_epochs": 5, "prompt_loss_weight": 1.0},
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}
