"""WebShop on a plain CPU: buy what the customer asks for in a small generated shop.

    rllib train file tuned_examples/webshop_gigpo_tiny.py

Forty products of twenty kinds: search for the kind, open the right one of two or more, choose its
colour and size, buy; at most 10 steps, rewarded by WebShop's score. As in the main job
(textworld_gigpo_tiny.py) a small model is first fitted to noisy demonstrations.
"""

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.warm_start import DemonstrationSettings, FitSettings

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:WebShop-v0",
        env_config={
            "num_products": 40,
            "num_test_goals": 100,
            "max_steps": 10,
            "observation": "page_without_goal",
            "expert": False,
        },
    )
    .llm(max_prompt_tokens=512, max_response_tokens=24)
    .tasks(num_train_tasks=128, num_test_tasks=100, max_episode_steps=10)
    .warm_start(
        env_config={"expert": True},
        demonstrations=DemonstrationSettings(episodes_per_seed=3, random_label_probability=0.5),
        fit=FitSettings(num_epochs=5),
    )
    .debugging(seed=0)
)

stop = {"training_iteration": 35}

if __name__ == "__main__":
    from rllib_gigpo.cli.train import run_example

    run_example(config, stop)
