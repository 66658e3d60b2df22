"""Checkpoints as files: written whole or not at all, verified, described, and found again."""
