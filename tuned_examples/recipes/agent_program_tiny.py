"""An agent's own program: it has the loop, and calls the model through OpenAI's client.

    rllib train file tuned_examples/recipes/agent_program_tiny.py

`deliver` is an ordinary program; nothing in it knows that the model is being trained. It plays the
delivery game of delivery_gigpo_tiny.py, one chat a move. Its model is first fitted to moves of that
environment's expert, whose prompts are the same messages.
"""

import openai

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.envs.making import make

DELIVERY = "rllib_gigpo.envs:Delivery-v0"
GAME = {"size": 3, "num_walls": 2, "slack": 3}


def deliver(base_url: str, api_key: str, seed: int) -> float:
    """Play the game of this seed; return 1 if the parcel was delivered."""
    client = openai.OpenAI(base_url=base_url, api_key=api_key)
    game = make(DELIVERY, **GAME)
    grid, _ = game.reset(seed=seed)
    while True:
        answer = client.chat.completions.create(
            model="policy", messages=[{"role": "user", "content": grid.strip()}]
        )
        grid, reward, won, lost, _ = game.step(answer.choices[0].message.content)
        if won or lost:
            return reward


config = (
    GiGPOConfig.preset("gigpo-tiny")
    .environment("rllib_gigpo.agent_programs:AgentProgram-v0", env_config={"program": deliver})
    .tasks(num_train_tasks=1024, num_test_tasks=256, max_episode_steps=100)
    .prompting(template="{{ observation }}", history_length=0)
    .llm(max_prompt_tokens=64)
    .training(lr=3e-4)
    .warm_start(env=DELIVERY, env_config=GAME, demonstrations={"random_label_probability": 0.65})
    .debugging(seed=0)
)

stop = {"training_iteration": 25}
