"""Env-to-module connectors: observation -> text -> history -> prompt token ids."""
