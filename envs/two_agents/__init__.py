"""Environments in which two agents take turns."""
