"""The adapter to GEM."""
