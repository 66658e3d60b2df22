"""Rules that need no states: they compare episodes, or step returns as they are."""
