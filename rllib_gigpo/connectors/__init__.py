"""RLlib connectors: the two rollout pipelines and the credit pipeline."""
