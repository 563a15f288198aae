"""The `conductor` command, and `python -m conductor`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process and end it."""
    from conductor.cli import main as command

    command()


def _without_traceback(kind: type[BaseException], error: BaseException, trace: object) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)  # type: ignore[arg-type]


# As soon as can be: until the command line is loaded and hears signals, Ctrl-C ends the process by the signal itself.
sys.excepthook = _without_traceback

if __name__ == "__main__":
    main()
