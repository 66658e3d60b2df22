"""From tasks to batches: the choice of groups, the EnvRunners that play them, and metrics."""
