"""Text between the agent and TextWorld's interpreter: actions made safe, answers made clean."""

from __future__ import annotations

import re
import unicodedata

MAX_ACTION_LENGTH = 150
"""Characters of an action that are read. The interpreter's buffer holds 198 bytes."""

REFUSAL = "That's not a verb I recognise."
"""The answer to commands that would act on the interpreter instead of the game's world."""

# Neither comma nor full stop: they would join several commands, and break the state tracking.
_UNSAFE = re.compile(r"[^a-zA-Z0-9 '-]+")
_NEXT_COMMAND = re.compile(r"[.;\n]|\bthen\b", re.IGNORECASE)
_STATUS_LINE = re.compile(r"\n*>?[ \t]+-= [^\n]*? =-\d+/\d+\s*$")
_GAME_OVER_MENU = re.compile(r"\s*Would you like to RESTART, RESTORE.*$", re.DOTALL)
_BLANK_LINES = re.compile(r"\n\s*\n+")

# The first word of a command that asks a question back (quit), turns back time (undo, restart),
# writes files (save, script), repeats, or tells what the player cannot see: the way to the goal
# (goal, script, version), the number of turns (score), TextWorld's state tracking (tw-...).
_META_COMMANDS = frozenset(
    {
        *("quit", "q", "restart", "restore", "save", "undo", "oops", "again", "g"),
        *("script", "transcript", "noscript", "unscript", "notranscript", "version", "verify"),
        *("superbrief", "brief", "verbose", "normal", "long", "short", "notify"),
        *("pronouns", "nouns", "score", "fullscore", "full", "goal"),
        *("enable", "disable", "restrict", "tw"),
    }
)
_SIGNIFICANT_LETTERS = 9  # Inform's dictionary tells words apart by their first nine letters
_META_STEMS = frozenset(word[:_SIGNIFICANT_LETTERS] for word in _META_COMMANDS)


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
    """Whether a cleaned action speaks to the interpreter instead of the player."""
    first_word = re.split(r"[ '-]", action.lower(), maxsplit=1)[0]
    return first_word[:_SIGNIFICANT_LETTERS] in _META_STEMS


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
