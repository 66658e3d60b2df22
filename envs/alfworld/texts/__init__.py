"""What the player reads: ALFWorld's grammar, and the first observation."""
