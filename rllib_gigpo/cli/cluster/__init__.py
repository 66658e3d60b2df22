"""The Ray cluster of a command: its address, its processes, and what ends it."""
