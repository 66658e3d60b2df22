"""Who plays in `rllib play`, and how a step is shown."""
