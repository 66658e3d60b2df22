"""Reads responses that act by one of several tags: a search or an answer, code or a submission."""

import re
from collections.abc import Sequence

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.action_parser import ActionParser


class BlockParser(ActionParser):
    """Takes the one block of one of the tags, with its tags, as the action.

    ``<think>...</think><search>Velden</search>`` acts by ``<search>Velden</search>``. Text around
    the block is ignored. Two blocks, of one tag or of two, an empty one, and one that is not closed
    make the format invalid.
    """

    def __init__(
        self, tags: Sequence[str], *, think_tag: str | None = "think", require_think: bool = False
    ) -> None:
        """Stores the format of the responses.

        Args:
            tags: names of the tags, without brackets.
            think_tag: see `ActionParser`.
            require_think: see `ActionParser`.

        Raises:
            ConfigError: if a tag is no plain word, or there is none.
        """
        super().__init__(action_tag=None, think_tag=think_tag, require_think=require_think)
        words = [] if isinstance(tags, str) else list(tags)
        if not words or not all(re.fullmatch(r"[A-Za-z]\w*", word) for word in words):
            raise ConfigError(f"tags={tags!r} must be words in a list: ['search', 'answer'].")
        names = "|".join(words)
        self._opening = re.compile(rf"<(?:{names})>")
        self._block = re.compile(rf"<({names})>(.*?)</\1>", re.DOTALL)

    def _find_action(self, answer: str) -> str | None:
        blocks = list(self._block.finditer(answer))
        if len(blocks) != 1 or len(self._opening.findall(answer)) != 1 or not blocks[0][2].strip():
            return None
        return blocks[0][0]
