"""Text between the agent and TextWorld's interpreter: safe actions and clean answers."""

from __future__ import annotations

import re
import unicodedata

MAX_ACTION_LENGTH = 150
"""The number of characters of an action that are read; the interpreter's buffer has 198 bytes."""

REFUSAL = "That's not a verb I recognise."
"""The answer to commands that would act on the interpreter instead of the game's world."""

# Commas and full stops are unsafe because they join commands, which breaks the state tracking.
_UNSAFE = re.compile(r"[^a-zA-Z0-9 '-]+")
_NEXT_COMMAND = re.compile(r"[.;\n]|\bthen\b", re.IGNORECASE)
_STATUS_LINE = re.compile(r"\n*>?[ \t]+-= [^\n]*? =-\d+/\d+\s*$")
_GAME_OVER_MENU = re.compile(r"\s*Would you like to RESTART, RESTORE.*$", re.DOTALL)
_BLANK_LINES = re.compile(r"\n\s*\n+")

# The first word of each command that asks for confirmation (quit), goes back in time (undo,
# restart), writes files (save, script), repeats, or shows what the player cannot see: the path to
# the goal (goal, script, version), the turn count (score), TextWorld's state tracking (tw-...).
_META_COMMANDS = frozenset(
    {
        *("quit", "q", "restart", "restore", "save", "undo", "oops", "again", "g"),
        *("script", "transcript", "noscript", "unscript", "notranscript", "version", "verify"),
        *("superbrief", "brief", "verbose", "normal", "long", "short", "notify"),
        *("pronouns", "nouns", "score", "fullscore", "full", "goal"),
        *("enable", "disable", "restrict", "tw"),
    }
)
_SIGNIFICANT_LETTERS = 9  # Inform's dictionary compares the first nine letters of words
_META_STEMS = frozenset(word[:_SIGNIFICANT_LETTERS] for word in _META_COMMANDS)


def clean_action(action: str) -> str:
    """Return one line of plain ASCII with one command that the interpreter can read.

    Accents are dropped, other characters become spaces, only the first of several commands is kept
    (Inform would run "go east. take coin" in one turn), and the length is limited.
    """
    head = action[: 4 * MAX_ACTION_LENGTH]
    first = _NEXT_COMMAND.split(head.strip(), maxsplit=1)[0]
    ascii_text = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode()
    return " ".join(_UNSAFE.sub(" ", ascii_text).split())[:MAX_ACTION_LENGTH].strip()


def is_meta_command(action: str) -> bool:
    """Return whether a cleaned action addresses the interpreter rather than the game."""
    first_word = re.split(r"[ '-]", action.lower(), maxsplit=1)[0]
    return first_word[:_SIGNIFICANT_LETTERS] in _META_STEMS


def clean_feedback(feedback: str) -> str:
    """Remove the status line, closing menu and extra blank lines from the interpreter's answer.

    The status line holds the score and the number of moves, so with it no state would ever recur.
    """
    without_status = _STATUS_LINE.sub("", feedback)
    return tidy(_GAME_OVER_MENU.sub("", without_status))


def tidy(text: str) -> str:
    """Strip the text and its lines, and remove blank lines."""
    lines = "\n".join(line.strip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n", lines).strip()
