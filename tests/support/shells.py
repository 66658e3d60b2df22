"""What a shell changes for the commands that it starts."""

import signal


def hear_ctrl_c():
    """Undo what a shell does for commands in the background: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
