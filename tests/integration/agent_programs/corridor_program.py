"""An agent's own program that plays Corridor in its own way, with OpenAI's real client."""

import openai

from rllib_gigpo.envs.making import make


def play(base_url, api_key, seed):
    """Play one episode in one conversation; return its total reward."""
    env = make("rllib_gigpo.envs:Corridor-v0", length=2, max_steps=6)
    client = openai.OpenAI(base_url=base_url, api_key=api_key, timeout=60, max_retries=0)
    observation, info = env.reset(seed=seed)
    messages = [{"role": "system", "content": info["task"]}]
    total = 0.0
    while True:
        messages.append({"role": "user", "content": observation})
        answer = client.chat.completions.create(model="policy", messages=messages)
        text = answer.choices[0].message.content
        messages.append({"role": "assistant", "content": text})
        observation, reward, terminated, truncated, info = env.step(text)
        total += reward
        if terminated or truncated:
            return total
