"""The search of a shop: terms, index and ranking."""
