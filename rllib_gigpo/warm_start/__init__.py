"""Warm starts: play an environment's expert, fit an initial model to it, and cache the result.

Example:
    >>> from rllib_gigpo.warm_start import WarmStartSettings, warm_start
    >>> settings = WarmStartSettings(env="rllib_gigpo.envs:Corridor-v0", seeds=tuple(range(32)))
    >>> model_path = warm_start(settings)  # doctest: +SKIP
"""

from rllib_gigpo.warm_start.fitted_model import warm_start
from rllib_gigpo.warm_start.from_config import settings_for
from rllib_gigpo.warm_start.warm_start_progress import (
    FitProgress,
    PlayProgress,
    StepProgress,
    print_progress,
)
from rllib_gigpo.warm_start.warm_start_report import WarmStartReport, read_report
from rllib_gigpo.warm_start.warm_start_settings import (
    DemonstrationSettings,
    FitSettings,
    PromptSettings,
    TinyModelSettings,
    WarmStartSettings,
)

__all__ = [
    "DemonstrationSettings",
    "FitProgress",
    "FitSettings",
    "PlayProgress",
    "PromptSettings",
    "StepProgress",
    "TinyModelSettings",
    "WarmStartReport",
    "WarmStartSettings",
    "print_progress",
    "read_report",
    "settings_for",
    "warm_start",
]
