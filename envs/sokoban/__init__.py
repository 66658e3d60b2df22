"""Sokoban in text, with levels generated from seeds and a solver as the expert."""
