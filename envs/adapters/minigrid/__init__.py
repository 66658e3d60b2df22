"""The adapter to MiniGrid."""
