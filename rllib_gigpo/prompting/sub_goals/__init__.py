"""Answers that name a sub-goal, and the tokens of their blocks."""
