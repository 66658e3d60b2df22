"""Generation of games: a scene, a solved task, and the ALFWorld files that describe them."""
