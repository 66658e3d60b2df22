"""Agent programs with OpenAI's real client: they climb to a floor, as the model says."""

import openai

GOAL = 3


def client_of(base_url, api_key):
    return openai.OpenAI(base_url=base_url, api_key=api_key, timeout=30, max_retries=0)


def ask(client, messages, **options):
    answer = client.chat.completions.create(model="policy", messages=messages, **options)
    return answer.choices[0].message


def climb(base_url, api_key, seed):
    """Play one episode in one conversation; return 1 for the goal."""
    client, floor = client_of(base_url, api_key), seed
    messages = [{"role": "system", "content": "Answer up or down."}]
    for _ in range(4):
        messages.append({"role": "user", "content": f"You stand on floor {floor}."})
        message = ask(client, messages)
        messages.append({"role": "assistant", "content": message.content})
        floor += 1 if message.content == "up" else -1
        if floor == GOAL:
            return 1.0
    return 0.0


def climb_without_memory(base_url, api_key, seed):
    """Play one episode with a new conversation for each step."""
    client, floor = client_of(base_url, api_key), seed
    for _ in range(4):
        content = f"You stand on floor {floor}. Go to floor {GOAL}."
        message = ask(client, [{"role": "user", "content": content}])
        floor += 1 if message.content == "up" else -1
        if floor == GOAL:
            return 1.0
    return 0.0
