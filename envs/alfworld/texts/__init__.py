"""The texts that the player reads: ALFWorld's grammar, and the first observation."""
