"""The EnvRunner's RLModule: `submit` and `poll` instead of a forward pass that would block.

The engine starts with the module and lives as long as it. `set_state` is the weight update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.rllib.core.rl_module.rl_module import RLModule
from ray.rllib.utils.annotations import override

from rllib_gigpo.engines.inference_engine import Generation, GenerationRequest, InferenceEngine

WEIGHTS = "weights"  # state: iterable of (name, tensor)
VERSION = "version"  # state: int, the policy version


class EngineModule(RLModule):
    """An RLModule whose parameters live in an inference engine."""

    framework = "torch"

    def __init__(self, engine: InferenceEngine, **kwargs: Any) -> None:
        """Wrap ``engine`` and start it."""
        self.engine = engine
        super().__init__(**kwargs)

    @override(RLModule)
    def setup(self) -> None:
        """Start the engine."""
        self.engine.start()

    @override(RLModule)
    def get_initial_state(self) -> dict[str, Any]:
        """Return no recurrent state: every prompt is whole."""
        return {}

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Add ``requests`` to the running batch."""
        self.engine.submit(requests)

    def poll(self) -> list[Generation]:
        """Advance the engine and return what has finished."""
        return self.engine.poll()

    @override(RLModule)
    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return only the policy version: the weights belong to the Learner."""
        return {VERSION: self.engine.weight_version}

    @override(RLModule)
    def set_state(self, state: dict[str, Any]) -> None:
        """Load ``state["weights"]``, if present, as version ``state["version"]``."""
        if WEIGHTS in state:
            self.engine.load_weights(state[WEIGHTS], state[VERSION])

    def stop(self) -> None:
        """Stop the engine."""
        self.engine.stop()
