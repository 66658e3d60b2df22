"""The exceptions that a caller may want to catch; other errors are ValueError or TypeError."""


class GiGPOError(Exception):
    """Base class of this package's errors."""


class ConfigError(GiGPOError, ValueError):
    """A setting, or a combination of settings, cannot work; the message says what to change."""


class UnknownOptionError(ConfigError, TypeError):
    """A setter got an unknown keyword; the message suggests the nearest known one."""


class EnvContractError(GiGPOError):
    """An environment breaks the contract that group sampling relies on."""


class EngineError(GiGPOError, RuntimeError):
    """The inference engine failed to start or to generate, or made no progress."""


class WeightSyncError(GiGPOError, RuntimeError):
    """New weights did not reach an inference engine in time."""


class RolloutError(GiGPOError, RuntimeError):
    """Too many groups of episodes were lost in a row, so the run stops."""


class UpdateError(GiGPOError, RuntimeError):
    """The updates no longer train the model, or train it on wrong log-probs, so the run stops."""


class CheckpointError(GiGPOError):
    """A checkpoint cannot be read, or belongs to another model or environment."""


class PanelError(GiGPOError, ValueError):
    """A panel cannot be read or played here, or two results cannot be compared."""


class MissingExtraError(GiGPOError, ImportError):
    """An optional package is missing; the message gives the pip command that installs it."""
