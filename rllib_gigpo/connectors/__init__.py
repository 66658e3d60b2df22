"""What RLlib calls connectors: the rollout pipelines and the credit pipeline."""
