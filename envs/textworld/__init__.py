"""TextWorld: generated text adventures, one game for each seed."""
