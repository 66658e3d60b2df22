"""Sokoban in text: levels from seeds, and a solver as expert."""
