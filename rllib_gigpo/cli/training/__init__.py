"""The work of `rllib train`: a run with Tune or a dry run, its progress and its report."""
