"""The `conductor` command, and `python -m conductor`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line of this process and end it."""
    from conductor.cli import main as command

    command()


# As soon as can be: until the command line is loaded and hears signals, Ctrl-C ends the process by the signal itself.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

if __name__ == "__main__":
    main()
