"""`ToolResults`: the results of one turn's tool calls, and whether a chat template shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rllib_gigpo.envs.tools.call_text import is_call_id
from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.chat_continuation import ChatContinuation, text_message

_PROBES = "probe 4711 text", "probe 1508 text"


@dataclass(frozen=True, slots=True)
class ToolResults:
    """Results in the order of the calls; its length is the number of characters of all contents.

    Attributes:
        names: The names of the tools as they were called.
        contents: What they returned.
        ids: The ids that the model gave to the calls, empty where it gave none.
    """

    names: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    @classmethod
    def of_info(cls, info: Mapping[str, Any]) -> ToolResults:
        """Read the results of an environment's ``info``; empty if it has none."""
        results: Sequence[Mapping[str, str]] = info.get("tool_results", ())
        return cls(
            names=tuple(one["name"] for one in results),
            contents=tuple(one["content"] for one in results),
            ids=tuple(one.get("id", "") for one in results),
        )

    def __len__(self) -> int:
        """Return the number of characters of all contents."""
        return sum(map(len, self.contents))

    def __bool__(self) -> bool:
        """Return whether there are results, even if all are empty."""
        return bool(self.names)

    def cut(self, num_characters: int, cut: Callable[[str, int], str]) -> ToolResults:
        """Return results with about ``num_characters`` in all, each with its share.

        Args:
            num_characters: The number of characters.
            cut: Returns a part of a text.
        """
        share = num_characters / max(1, len(self))
        kept = tuple(cut(one, int(len(one) * share)) for one in self.contents)
        return replace(self, contents=kept)

    def marked(self, mark: Callable[[str], str]) -> ToolResults:
        """Return results with every text marked."""
        names, contents = tuple(map(mark, self.names)), tuple(map(mark, self.contents))
        return replace(self, names=names, contents=contents)

    def messages(self) -> list[dict[str, Any]]:
        """Return them as chat messages of the role tool; each ``content`` is a list of parts."""
        ids = self.ids or ("",) * len(self.names)
        return [
            {
                "role": "tool",
                "name": name,
                "tool_call_id": own if is_call_id(own) else f"{number:09d}",
                "content": [{"type": "text", "text": content}],
            }
            for number, (name, content, own) in enumerate(
                zip(self.names, self.contents, ids, strict=True)
            )
        ]


def takes_results(continuation: ChatContinuation, tokenizer: Any) -> bool:
    """Return whether a chat template shows results as messages of the role tool.

    It must show all of them, and close the answer before them as it does before a user's message.

    Args:
        continuation: The texts that continue a chat under the template.
        tokenizer: Its Hugging Face tokenizer.
    """

    def closing_id(text: str) -> int:
        message = text.removeprefix(continuation.before_end)
        return tokenizer(message, add_special_tokens=False).input_ids[0]

    try:
        text = continuation.text(ToolResults(("probe",) * len(_PROBES), _PROBES).messages())
    except ConfigError:
        return False
    user = continuation.text([text_message("user", _PROBES[0])])
    closes = text.startswith(continuation.before_end) and closing_id(text) == closing_id(user)
    return closes and all(probe in text for probe in _PROBES)
