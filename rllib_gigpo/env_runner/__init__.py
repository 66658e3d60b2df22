"""The EnvRunner: environments, the rollout without barriers, and the class around both."""
