"""What `rllib train` does: the run with Tune or the dry run, and what it shows."""
