"""The settings of LoRA; without torch, so that a config can be checked without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from rllib_gigpo.errors import ConfigError

ADAPTER_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The sizes of a slot for an adapter in vLLM 0.32."""

_SYNCS = ("merged", "adapter")


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """The size and the place of the adapters.

    Attributes:
        rank: r of A (r, in) and B (out, r).
        alpha: The adapter's output is scaled by alpha / rank.
        target_modules: Names, or ends of names, of linear layers, each of which must match one;
            "all-linear" for all but the output embedding, or another regular expression of whole
            names. The embeddings get no adapter.
        sync: How the engine gets new weights. "merged": W + (alpha / rank)·B·A in the place of W,
            for any engine; generation costs nothing more. "adapter": A and B alone, which vLLM adds
            to its activations; less to send, for large models.
    """

    rank: int = 64
    alpha: int = 64
    target_modules: str | Sequence[str] = "all-linear"
    sync: str = "merged"

    @classmethod
    def from_setting(cls, setting: Mapping[str, Any]) -> Self:
        """Read what stands in a config.

        Raises:
            ConfigError: An unknown key, a rank or an alpha below 1, targets that are no names, an
                unknown way to the engine.
        """
        known = [field.name for field in fields(cls)]
        if not isinstance(setting, Mapping) or set(setting) - set(known):
            raise ConfigError(f"lora={setting!r} must be a dict with the keys {', '.join(known)}")
        settings = cls(**setting)
        for name in ("rank", "alpha"):
            value = getattr(settings, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"lora: {name}={value!r} must be a whole number of at least 1")
        if not _are_names(settings.target_modules):
            raise ConfigError(
                f"lora: target_modules={settings.target_modules!r} must be 'all-linear' or a list"
                " of names of layers, such as ['q_proj', 'v_proj']"
            )
        if settings.sync not in _SYNCS:
            raise ConfigError(f"lora: sync={settings.sync!r} must be one of {', '.join(_SYNCS)}")
        if settings.is_hot and settings.rank > ADAPTER_RANKS[-1]:
            raise ConfigError(
                f"lora: rank={settings.rank} is too much for sync='adapter' in vLLM, which takes"
                f" {ADAPTER_RANKS[-1]}; use sync='merged'"
            )
        return settings

    @property
    def is_hot(self) -> bool:
        """Whether the engine gets the adapter alone."""
        return self.sync == "adapter"


def _are_names(targets: Any) -> bool:
    if isinstance(targets, str):
        return targets != ""
    is_list = isinstance(targets, Sequence) and len(targets) > 0
    return is_list and all(isinstance(name, str) and name for name in targets)


def hot_adapter(setting: Mapping[str, Any] | None) -> LoraSettings | None:
    """The adapter that an engine loads by itself; None where it gets whole weights."""
    settings = None if setting is None else LoraSettings.from_setting(setting)
    return settings if settings is not None and settings.is_hot else None
