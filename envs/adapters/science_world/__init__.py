"""The adapter to ScienceWorld."""
