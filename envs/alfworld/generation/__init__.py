"""Generated games: a scene, a solved task, and the files of ALFWorld that describe them."""
