"""The adapter to Jericho."""
