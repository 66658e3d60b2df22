"""FrozenLake in text, with a new lake for every seed."""
