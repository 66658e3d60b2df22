"""The settings of LoRA; without torch, so that a config can be checked without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from rllib_gigpo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """The size and the place of the adapters.

    Attributes:
        rank: r of A (r, in) and B (out, r).
        alpha: The adapter's output is scaled by alpha / rank.
        target_modules: Names, or ends of names, of the linear layers; "all-linear" for all but the
            output embedding.
    """

    rank: int = 64
    alpha: int = 64
    target_modules: str | Sequence[str] = "all-linear"

    @classmethod
    def from_setting(cls, setting: Mapping[str, Any]) -> Self:
        """Read what stands in a config.

        Raises:
            ConfigError: An unknown key, or a rank or an alpha below 1.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(setting, Mapping) or set(setting) - set(known):
            raise ConfigError(f"lora={setting!r} must be a dict with the keys {', '.join(known)}")
        settings = cls(**setting)
        for name in ("rank", "alpha"):
            value = getattr(settings, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"lora: {name}={value!r} must be a whole number of at least 1")
        return settings
