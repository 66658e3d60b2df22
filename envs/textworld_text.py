"""Text between the agent and TextWorld's interpreter: actions made safe, answers made clean."""

from __future__ import annotations

import re
import unicodedata

MAX_ACTION_LENGTH = 150
"""Characters of an action that are read. The interpreter's buffer holds 198 bytes."""

REFUSAL = "That's not a verb I recognise."
"""The answer to commands that would act on the interpreter instead of the game's world."""

_UNSAFE = re.compile(r"[^a-zA-Z0-9 '-]+")
_NEXT_COMMAND = re.compile(r"[.;\n]|\bthen\b", re.IGNORECASE)
_STATUS_LINE = re.compile(r"\n*>?[ \t]+-= [^\n]*? =-\d+/\d+\s*$")
_GAME_OVER_MENU = re.compile(r"\s*Would you like to RESTART, RESTORE.*$", re.DOTALL)
_BLANK_LINES = re.compile(r"\n\s*\n+")

# Inform compares the first nine letters of a word. These commands ask a question back (quit),
# turn back time (undo, restart, restore), write files (save, script), or tell what the player
# cannot see: the way to the goal (goal, print_state, script, version), the state tracking (tw-...).
_META_COMMANDS = frozenset(
    "quit q restart restore save undo script transcri noscript unscript notransc version verify "
    "superbri brief verbose normal long short notify pronouns nouns score fullscor goal "
    "print_st enable disable restrict tw again g oops recordin replay random showme showverb "
    "actions rules relation purloin abstract gonear scope trace tree test requests responses"
    "".split()
)
_SIGNIFICANT_LETTERS = 8


def clean_action(action: str) -> str:
    """Return one line of plain ASCII that the interpreter can read, holding one command.

    Accents are dropped, other characters become blanks, the first command of several is kept
    (Inform would run "go east. take coin" in one turn), and the length is capped.
    """
    head = action[: 4 * MAX_ACTION_LENGTH]
    first = _NEXT_COMMAND.split(head.strip(), maxsplit=1)[0]
    ascii_text = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode()
    return " ".join(_UNSAFE.sub(" ", ascii_text).split())[:MAX_ACTION_LENGTH].strip()


def is_meta_command(action: str) -> bool:
    """Whether any word of a cleaned action is a command to the interpreter, not to the player."""
    words = re.split(r"[ ,'-]+", action.lower())
    return any(word[:_SIGNIFICANT_LETTERS] in _META_COMMANDS for word in words)


def clean_feedback(feedback: str) -> str:
    """Remove status line, closing menu and superfluous blank lines from the interpreter's answer.

    The status line holds the score and the number of moves, so that no state would ever recur.
    """
    without_status = _STATUS_LINE.sub("", feedback)
    return tidy(_GAME_OVER_MENU.sub("", without_status))


def tidy(text: str) -> str:
    """Strip the text, and its lines, and squeeze blank lines into line breaks."""
    lines = "\n".join(line.strip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n", lines).strip()
