"""Datasets of Reasoning Gym whose score function runs an answer as Python, and their refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RUN_ANSWERS = frozenset(
    {
        "binary_matrix",
        "countdown",
        "intermediate_integration",
        "n_queens",
        "polynomial_multiplication",
        "puzzle24",
        "simple_integration",
        "spiral_matrix",
        "string_insertion",
    }
)
"""Their score functions call ``eval`` or sympy's ``parse_expr``, which is ``eval``, on the answer
(reasoning-gym 0.1.23 and 0.1.25). A test compares this list with the installed package."""

_MIXTURE = "composite"  # a dataset made of others, which may be any of these


def permitted_settings(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dataset's own settings, which are all but ``trust_answers``.

    Raises:
        ValueError: The dataset would run what a model writes, and the user does not allow it.
    """
    own = dict(config)
    is_trusted = own.pop("trust_answers", False)
    if not isinstance(is_trusted, bool):
        raise ValueError(
            f"trust_answers must be True or False; got {is_trusted!r}. Fix it in env_config."
        )
    if is_trusted or name not in {*RUN_ANSWERS, _MIXTURE}:
        return own
    what = "may have parts that run" if name == _MIXTURE else "runs"
    raise ValueError(
        f"The dataset {name!r} of Reasoning Gym {what} each answer as Python code to score it, so a"
        " model could read or delete files and start programs with the rights of this process. Use"
        " another dataset, or, in a container where that does no harm, set trust_answers=True in"
        " env_config."
    )
