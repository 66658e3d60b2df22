"""An agent with tools on a CPU: it looks up two goods, adds their numbers up and answers.

    rllib train file tuned_examples/tiny/tools_gigpo_tiny.py

The tools are the methods of a plain class, StockRoom in envs/tools/stock_room.py. An episode is one
chat: the model of 0.3M parameters writes its calls in the format of its chat template, and results
are messages of the role tool. It is first fitted to demonstrations of an expert that often guesses,
and to the prompts, which teaches it to copy names and numbers. It learns not to guess.
"""

from rllib_gigpo import GiGPOConfig

ROOM = "rllib_gigpo.envs.tools.stock_room"

config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment(
        "rllib_gigpo.envs:Tools-v0",
        env_config={
            "environment": f"{ROOM}:StockRoom",
            "anchor": f"{ROOM}:known_facts",
            "expert": f"{ROOM}:hasty_expert",
            "max_turns": 6,
        },
    )
    .prompting(template="tools")
    .llm(max_prompt_tokens=384, max_response_tokens=48)
    .tasks(num_train_tasks=512, num_test_tasks=64, max_episode_steps=6)
    .warm_start(
        demonstrations={"episodes_per_seed": 1},
        fit={"num_epochs": 10, "prompt_loss_weight": 1.0, "batch_tokens": 1024},
    )
    .training(lr=2e-4)
    .debugging(seed=0)
)

stop = {"training_iteration": 80}
