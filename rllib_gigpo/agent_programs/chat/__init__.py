"""The chat-completion protocol: requests, prompts that continue earlier ones, answers."""
