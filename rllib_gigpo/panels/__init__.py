"""Panels: fixed sets of tasks, with hashes of how each starts, that any agent can play."""
