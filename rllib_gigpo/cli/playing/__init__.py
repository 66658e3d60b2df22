"""The players of `rllib play`, and the display of what they do."""
