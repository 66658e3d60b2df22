"""The search box of a shop: terms, index and ranking."""
