"""From tasks to batches: which groups are played, by whom, and what they tell."""
