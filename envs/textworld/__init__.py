"""TextWorld: generated text adventures, one game per seed."""
