"""Rules that compare the steps that started from the same state, or from similar ones."""
