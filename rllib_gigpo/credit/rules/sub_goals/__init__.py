"""Rules that give the parts of an answer, and the segments of an episode, their own credit."""
