"""The adapter to TextArena."""
