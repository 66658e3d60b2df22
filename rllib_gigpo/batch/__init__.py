"""Records passed between processes: from EnvRunners to the credit pipeline, and on to Learners."""
