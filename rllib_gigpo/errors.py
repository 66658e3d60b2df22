"""The exceptions that a caller may want to catch; other mistakes are a ValueError or TypeError."""


class GiGPOError(Exception):
    """Base class of the errors that this package raises on purpose."""


class ConfigError(GiGPOError, ValueError):
    """A setting, or a combination of settings, cannot work; the message says what to change."""


class UnknownOptionError(ConfigError, TypeError):
    """A setter got a keyword that it does not have; the message names the nearest that it has."""


class EnvContractError(GiGPOError):
    """An environment does not keep the contract that group sampling needs."""


class EngineError(GiGPOError, RuntimeError):
    """The inference engine failed to start, to generate or to make progress."""


class WeightSyncError(GiGPOError, RuntimeError):
    """New weights did not reach an inference engine, or not in time."""


class RolloutError(GiGPOError, RuntimeError):
    """Too many groups of episodes were lost in a row for the run to go on."""


class CheckpointError(GiGPOError):
    """A checkpoint cannot be read, or belongs to another model or environment."""


class MissingExtraError(GiGPOError, ImportError):
    """An optional package is missing; the message holds the pip command that installs it."""
