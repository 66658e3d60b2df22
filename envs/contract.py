"""What an environment may tell the algorithm: the keys of ``info``, all optional.

An environment is any ``gymnasium.Env`` whose observations are text (or are made text by the setting
``observation_to_text``) and whose ``reset(seed=...)`` is deterministic in the seed: that is what
makes a group of episodes of one task. Both ``reset`` and ``step`` may give the keys below, and
``rllib_gigpo.envs.check_env`` checks them.
"""

from __future__ import annotations

import string
from typing import Final

import numpy as np
from gymnasium import spaces

TASK: Final = "task"
"""str: what is to be done in this episode, for the head of the prompt."""

ADMISSIBLE_ACTIONS: Final = "admissible_actions"
"""list[str]: the actions that make sense in this state, in a deterministic order. They go into the
prompt and decide whether an answer counts as admissible. Other actions must not raise. Two or more
words in angle brackets stand for any text: "search[<your query>]" admits every search."""

WON: Final = "won"
"""bool: is the task solved? The success rate reads it at the last step of an episode."""

ANCHOR: Final = "anchor"
"""Hashable, or text: the identity of the state, without step counter or history. Steps of a group
with equal anchors form a step group of GiGPO. Where it is missing, the observation text is used."""

EXPERT_ACTION: Final = "expert_action"
"""str: a good action in this state. Makes demonstrations for a warm start and is never shown to the
LLM. Leave it out in states where no good action is known."""

SCORE: Final = "score"
"""float: the score of the episode so far, in the environment's own unit, for the metrics."""

TAGS: Final = "tags"
"""list[str]: labels of the task (its kind, its difficulty), by which metrics can be split."""

FIRST_TEST_SEED: Final = 2**20
"""Where test tasks begin, unless ``config.tasks(first_test_task=...)`` says otherwise: environments
whose tasks are a given list keep those of their test split for seeds from here on."""

INFO_TYPES: Final[dict[str, tuple[type, ...]]] = {
    TASK: (str,),
    ADMISSIBLE_ACTIONS: (list, tuple),
    WON: (bool, np.bool_),
    ANCHOR: (object,),
    EXPERT_ACTION: (str,),
    SCORE: (int, float, np.integer, np.floating),
    TAGS: (list, tuple),
}
"""The types that the value of each key may have."""

COMMON_ALIASES: Final[dict[str, str]] = {
    "admissible_commands": ADMISSIBLE_ACTIONS,
    "available_actions": ADMISSIBLE_ACTIONS,
    "valid_actions": ADMISSIBLE_ACTIONS,
    "validActions": ADMISSIBLE_ACTIONS,
    "success": WON,
    "is_success": WON,
    "tasksuccess": WON,
    "goal": TASK,
    "instruction": TASK,
    "objective": TASK,
    "policy_commands": EXPERT_ACTION,
    "task_score": SCORE,
}
"""Names that other environments use for the same things; ``check_env`` points them out."""


def text_space(max_length: int) -> spaces.Text:
    """Return a space for printable ASCII text of up to ``max_length`` characters.

    It is a declaration for readers and samplers. Never validate text with ``Text.contains``, which
    refuses every character outside its charset.
    """
    return spaces.Text(max_length, min_length=0, charset=string.printable)
