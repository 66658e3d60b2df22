"""The files that a checkpoint must have, as RLlib (Ray 2.60) names them."""

from pathlib import Path

LEARNER = Path("learner_group", "learner")
MODEL = LEARNER / "rl_module"
MODEL_CONFIG = MODEL / "config.json"

# RLlib writes a component's state last.
_REQUIRED = (
    Path("class_and_ctor_args.pkl"),
    Path("algorithm_state.*"),
    LEARNER / "state.*",
    MODEL_CONFIG,
    MODEL / "*.safetensors",
    MODEL / "tokenizer_config.json",
)


def missing_component(checkpoint: Path) -> str | None:
    """Return a clause like "learner_group/learner/state.* is missing"; None if all are there."""
    missing = (one for one in _REQUIRED if not any(checkpoint.glob(str(one))))
    return next((f"{one} is missing" for one in missing), None)
