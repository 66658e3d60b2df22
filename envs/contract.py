"""What an environment may tell the algorithm: the keys of ``info``, all optional.

An environment is any ``gymnasium.Env`` whose observations are text (or can be made text by the
setting ``observation_to_text``) and whose ``reset(seed=...)`` is deterministic in the seed: that is
what makes a group of episodes of one task. Every key below may be given by ``reset`` and ``step``.
"""

from __future__ import annotations

import string
from typing import Final

from gymnasium import spaces

TASK: Final = "task"
"""str: what is to be done in this episode, for the prompt's head. Given by ``reset``."""

ADMISSIBLE_ACTIONS: Final = "admissible_actions"
"""list[str]: the actions that make sense in this state, in a deterministic order. For the prompt,
and to judge whether an answer is admissible. An environment must take any other string as well."""

WON: Final = "won"
"""bool: has the task been solved? The success rate counts it at the episode's last step. Without
it, an episode counts as won when it terminated with a positive return."""

ANCHOR: Final = "anchor"
"""Hashable, or text: the identity of the state, without step counters or history. Steps of one
group with equal anchors form a step group of GiGPO. Without it the observation text is used."""

EXPERT_ACTION: Final = "expert_action"
"""str: a good action in this state. Makes demonstrations for a warm start; never shown to the LLM.
Leave the key out where no good action is known."""

SCORE: Final = "score"
"""float: the episode's score so far, in the environment's own unit, for the metrics."""

TAGS: Final = "tags"
"""list[str]: labels of this task (kind, difficulty), by which metrics are split."""

INFO_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    TASK: str,
    ADMISSIBLE_ACTIONS: list,
    WON: bool,
    ANCHOR: object,
    EXPERT_ACTION: str,
    SCORE: (int, float),
    TAGS: list,
}
"""The type that each key's value must have. A NumPy bool or float is refused: it is not JSON."""


def text_space(max_length: int) -> spaces.Text:
    """Return a space for printable text of up to ``max_length`` characters.

    Its charset is ASCII: a declaration for readers and samplers. Never validate real text with
    ``Text.contains``, which refuses every character outside the charset.
    """
    return spaces.Text(max_length, min_length=0, charset=string.printable)
