"""Every setting of a run: `GiGPOConfig` stores them, `sections` says what they are."""

from rllib_gigpo.config.gigpo_config import GiGPOConfig

__all__ = ["GiGPOConfig"]
