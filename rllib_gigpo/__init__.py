"""GiGPO (Group-in-Group Policy Optimization) for LLM agents, a plugin for Ray RLlib.

Importing this package is cheap: Ray, torch and vLLM load with the first name that needs them.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# In a checkout the environments are in the top-level folder `envs`; when installed, they are inside
# this package. A Ray worker that starts in the repository root finds the checkout's package first,
# even if the package is installed.
if not (Path(__path__[0]) / "envs").is_dir():
    __path__.append(str(Path(__file__).resolve().parent.parent))

_EXPORTS = {"GiGPO": "rllib_gigpo.gigpo", "GiGPOConfig": "rllib_gigpo.gigpo"}
_SUBPACKAGES = ("envs", "warm_start")

__all__ = ["GiGPO", "GiGPOConfig", "envs", "warm_start"]


def __getattr__(name: str) -> Any:
    """Load an exported name when it is first used (PEP 562)."""
    if name in _EXPORTS:
        from rllib_gigpo.installation import warn_about_broken_torch_packages

        warn_about_broken_torch_packages()
        globals()[name] = getattr(import_module(_EXPORTS[name]), name)  # so this runs once
        return globals()[name]
    if name in _SUBPACKAGES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it exports {', '.join(__all__)}"
    )


def __dir__() -> list[str]:
    """Include the lazily loaded names."""
    return sorted({*globals(), *__all__})
