"""Observation -> text -> history -> prompt token ids, one connector per file."""
