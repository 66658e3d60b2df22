"""Parses responses that act with one of several tags, such as a search or an answer."""

import re
from collections.abc import Sequence

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.action_parser import ActionParser


class BlockParser(ActionParser):
    """Parser whose action is a block such as ``<search>...</search>``, including its tags.

    In ``<think>...</think><search>Velden</search>`` the action is ``<search>Velden</search>``. Text
    around the block is ignored. The format is invalid if there are two blocks, of the same tag or
    not, or if the block is empty or not closed.
    """

    def __init__(
        self, tags: Sequence[str], *, think_tag: str | None = "think", require_think: bool = False
    ) -> None:
        """Store the format of the responses.

        Args:
            tags: Names of the tags, without brackets.
            think_tag: See `ActionParser`.
            require_think: See `ActionParser`.

        Raises:
            ConfigError: A tag is not a plain word, or there is no tag.
        """
        super().__init__(action_tag=None, think_tag=think_tag, require_think=require_think)
        words = [] if isinstance(tags, str) else list(tags)
        if not words or not all(re.fullmatch(r"[A-Za-z]\w*", word) for word in words):
            raise ConfigError(
                f"tags={tags!r} must be a list of words, such as ['search', 'answer']."
            )
        self.tags += tuple(words)
        names = "|".join(words)
        self._opening = re.compile(rf"<(?:{names})>")
        self._block = re.compile(rf"<({names})>(.*?)</\1>", re.DOTALL)

    def _find_action(self, answer: str) -> str | None:
        blocks = list(self._block.finditer(answer))
        if len(blocks) != 1 or len(self._opening.findall(answer)) != 1 or not blocks[0][2].strip():
            return None
        return blocks[0][0]
