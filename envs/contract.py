"""The environment contract: the keys of ``info`` that the algorithm reads, all optional.

An environment is any ``gymnasium.Env`` whose observations are text (or become text through the
setting ``observation_to_text``) and whose ``reset(seed=...)`` is deterministic in the seed, so that
a group of episodes can share one task. Both ``reset`` and ``step`` may return the keys below. The
fence (`response_fence.py`, `info_fence.py`) checks them in training and in
``rllib check-env``.
"""

from __future__ import annotations

import string
from typing import Final

import numpy as np
from gymnasium import spaces

TASK: Final = "task"
"""str: the goal of this episode, shown at the top of the prompt."""

ADMISSIBLE_ACTIONS: Final = "admissible_actions"
"""list[str]: the actions that make sense in this state, in a deterministic order. The prompt lists
them, and an answer counts as admissible if it is one of them. Other actions must not raise. Two or
more words in angle brackets stand for any text: "search[<your query>]" admits every search."""

WON: Final = "won"
"""bool: whether the task is solved. The success rate reads it at the last step of an episode."""

ANCHOR: Final = "anchor"
"""Hashable, or text: the identity of the state, without a step counter or history. Steps of a group
with equal anchors form a GiGPO step group. If it is missing, the observation text is the anchor."""

EXPERT_ACTION: Final = "expert_action"
"""str: a good action in this state, used to make demonstrations for a warm start and never shown to
the LLM. Leave it out in states where no good action is known."""

SCORE: Final = "score"
"""float: the score of the episode so far in the environment's own unit, for the metrics."""

TAGS: Final = "tags"
"""list[str]: labels of the task, such as its kind or difficulty, used to split metrics."""

TASK_ID: Final = "task_id"
"""str: the name of the task in its data set, such as a game's path; panels show it."""

DATA_FILES: Final = "data_files"
"""list[str]: the files of a data set that ``reset`` read this task from. A panel has their hashes,
so it notices if one of them changes."""

ROLE: Final = "role"
"""str, not empty: which of several agents acts next, in an environment where agents take turns. It
must be in every info, or in none; the last step's does not matter. Each role has its own history,
turns, returns and statistics."""

ROLE_REWARDS: Final = "role_rewards"
"""dict[str, float]: what this step pays to some roles, in place of its reward. The roles that it
does not name get the reward of the step, as all do without this key: it pays a team."""

TOOL_RESULTS: Final = "tool_results"
"""list[dict[str, str]]: the results of the tool calls of the last step, each a dict with the "name"
of the tool, the "content" that it returned, and the "id" of the call if the model gave one. With
``prompting(tools=...)`` the model sees them as messages of the role tool, in place of the
observation."""

TOOL_ERROR: Final = "Error:"
"""How the "content" of a tool begins that failed or refused its arguments; the metric
``tool_error_rate`` counts them."""

RUNS_IN_THREADS: Final = "runs_in_threads"
"""Key of an environment's ``metadata``, bool: instances may run in several threads at once, and a
step spends most of its time outside Python's lock (in C code, or waiting). Training then steps them
in threads while the engine generates, unless ``config.env_runners(num_env_threads=...)`` is set."""

FIRST_TEST_SEED: Final = 2**20
"""The first seed of test tasks, unless ``config.tasks(first_test_task=...)`` sets another.
Environments with a fixed list of tasks use their test split for seeds from here on."""

INFO_TYPES: Final[dict[str, tuple[type, ...]]] = {
    TASK: (str,),
    ADMISSIBLE_ACTIONS: (list, tuple),
    WON: (bool, np.bool_),
    ANCHOR: (object,),
    EXPERT_ACTION: (str,),
    SCORE: (int, float, np.integer, np.floating),
    TAGS: (list, tuple),
    TASK_ID: (str,),
    DATA_FILES: (list, tuple),
    ROLE: (str,),
    ROLE_REWARDS: (dict,),
    TOOL_RESULTS: (list, tuple),
}
"""The permitted types of each key's value."""

KEYS_OF_ROLES: Final = (ROLE, ROLE_REWARDS)
"""The keys that only an environment with several agents has."""

RARE_KEYS: Final = (*KEYS_OF_ROLES, TASK_ID, DATA_FILES, TOOL_RESULTS)
"""Keys that few environments need: those of several agents, of data sets, and of tools."""

MAX_REWARD: Final = 1e15
"""Largest size of a reward: the squares of a million such rewards still add up in float32."""

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
"""Names that other environments use for the same keys; ``check_env`` points them out."""


class ContractViolationError(ValueError):
    """A response of an environment breaks the contract.

    Attributes:
        kind: The part at fault: "observation", "reward", "flags", "info", "anchor" or "pickle"; for
            a response that does not have the right parts, the call ("reset" or "step").
    """

    def __init__(self, kind: str, message: str) -> None:
        """Store the kind; ``message`` says what is wrong and what to change."""
        super().__init__(message)
        self.kind = kind


class NoRoomError(RuntimeError):
    """There is no room for another copy of the environment now, such as on a server that is full.

    In training, the episode then waits until another one has ended.
    """


def text_space(max_length: int) -> spaces.Text:
    """Return a space for printable ASCII text of up to ``max_length`` characters.

    The space documents the format and can be sampled. Never validate text with ``Text.contains``,
    which rejects every character outside its charset.
    """
    return spaces.Text(max_length, min_length=0, charset=string.printable)
