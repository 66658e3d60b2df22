"""FrozenLake in text: a new lake for every seed."""
