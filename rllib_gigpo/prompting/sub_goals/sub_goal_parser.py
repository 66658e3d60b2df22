"""Parses answers that keep or switch a sub-goal, name it, and then act."""

import re
from dataclasses import dataclass

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.action_parser import ActionParser

SWITCH_TAG, SUB_GOAL_TAG = "switch", "subgoal"


@dataclass(frozen=True, slots=True)
class SubGoalBlocks:
    """The blocks of one answer.

    Attributes:
        is_switch: Whether it says SWITCH; otherwise KEEP.
        sub_goal: The text of its sub-goal, with single spaces.
        switch_span: First character of the switch block, and the one after it; tags included.
        sub_goal_span: The same of the sub-goal block.
    """

    is_switch: bool
    sub_goal: str
    switch_span: tuple[int, int]
    sub_goal_span: tuple[int, int]


class SubGoalParser(ActionParser):
    """Parser of ``<switch>KEEP</switch><subgoal>reach the attic</subgoal><action>go up</action>``.

    The three blocks come in this order, each exactly once; the first one holds KEEP or SWITCH, and
    the sub-goal is not empty. A thought may come first. Otherwise the format is invalid.
    """

    def __init__(
        self,
        *,
        action_tag: str | None = "action",
        think_tag: str | None = "think",
        require_think: bool = False,
        opens_thought: bool = False,
    ) -> None:
        """Store the format of the responses; see `ActionParser`.

        Raises:
            ConfigError: A tag is not a plain word, is missing, or is that of another block.
        """
        super().__init__(
            action_tag=action_tag,
            think_tag=think_tag,
            require_think=require_think,
            opens_thought=opens_thought,
        )
        own = (SWITCH_TAG, SUB_GOAL_TAG)
        if action_tag is None or {action_tag, think_tag} & set(own):
            raise ConfigError(
                f"sub_goals=True needs an action_tag and a think_tag other than {own}, but they are"
                f" {action_tag!r} and {think_tag!r}; set action_tag='action'."
            )
        self.tags += own
        self._openings = tuple(f"<{tag}>" for tag in (*own, action_tag))
        self._blocks = re.compile(
            rf"(?P<switch><{SWITCH_TAG}>\s*(?P<word>KEEP|SWITCH)\s*</{SWITCH_TAG}>).*?"
            rf"(?P<sub_goal><{SUB_GOAL_TAG}>(?P<text>.*?)</{SUB_GOAL_TAG}>).*?"
            rf"<{action_tag}>(?P<action>.*?)</{action_tag}>",
            re.DOTALL | re.IGNORECASE,
        )

    def find_blocks(self, response: str) -> SubGoalBlocks | None:
        """Find the blocks of a response.

        Args:
            response: The decoded response without special tokens.

        Returns:
            The blocks; None if the format is invalid.
        """
        answer = self._without_thought(response)
        match = None if answer is None else self._match(answer)
        if answer is None or match is None:
            return None
        shift = len(response) - len(answer)  # of the thought before
        switch, sub_goal = match.span("switch"), match.span("sub_goal")
        return SubGoalBlocks(
            is_switch=match["word"].upper() == "SWITCH",
            sub_goal=" ".join(match["text"].split()),
            switch_span=(switch[0] + shift, switch[1] + shift),
            sub_goal_span=(sub_goal[0] + shift, sub_goal[1] + shift),
        )

    def format(self, action: str, *, sub_goal: str = "") -> str:
        """Return the shortest valid response whose sub-goal is the action itself.

        Demonstrations have no better sub-goal: it is kept as long as the action stays the same.

        Args:
            action: The action.
            sub_goal: The sub-goal that is pursued so far.
        """
        word = "KEEP" if sub_goal == action else "SWITCH"
        thought = f"<{self.think_tag}></{self.think_tag}>" if self.require_think else ""
        return (
            f"{thought}<{SWITCH_TAG}>{word}</{SWITCH_TAG}>"
            f"<{SUB_GOAL_TAG}>{action}</{SUB_GOAL_TAG}>"
            f"<{self.action_tag}>{action}</{self.action_tag}>"
        )

    def _find_action(self, answer: str) -> str | None:
        match = self._match(answer)
        return None if match is None else match["action"].strip()

    def _match(self, answer: str) -> re.Match[str] | None:
        if any(answer.count(opening) != 1 for opening in self._openings):
            return None
        match = self._blocks.search(answer)
        is_whole = match is not None and match["text"].strip() and match["action"].strip()
        return match if is_whole else None
