"""Sampling: environments, the rollout without barriers, and the EnvRunner around both."""
