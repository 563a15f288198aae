"""The command line. Errors become exit codes here and nowhere else; `view` and `--version` load nothing heavy."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import NoReturn, TextIO

from conductor.errors import ConductorError, ExitCode, InvalidFile, Terminated, UsageError, exit_code_of, where_of
from conductor.visible import visible

JSON_LOGS = "--json-logs"
_FEW_COLLECTIONS = 100_000  # what a command loads stays: looking through it for garbage is a tenth of a start


def main() -> NoReturn:
    """Run the command line of this process and end it with the documented exit code."""
    _open_streams()
    arguments = _with_json_logs(sys.argv[1:])
    code = guard(lambda: _dispatch(arguments))
    with contextlib.suppress(OSError):
        if hasattr(sys.stderr, "record"):
            sys.stderr.close()
    with contextlib.suppress(ValueError):  # the command is over: a late signal must not make something else of its end
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)
    sys.exit(code)


def _flush(stream: TextIO) -> None:
    """Write out what a stream holds; where nobody can read it, no complaint at shutdown makes another code of it."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except ValueError:  # it is closed
        pass


def guard(command: Callable[[], int]) -> int:
    """Run `command` and return its exit code; say what went wrong, in words, on standard error."""
    try:
        return command()
    except ConductorError as error:
        message, details = _told(error)
        _say(message, exit_code_of(error), error.hint, error.about, details=details)
        return exit_code_of(error)
    except PermissionError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)  # not every system call names it
        _say(what, ExitCode.USAGE, "Run as its owner, or have its modes changed.")
        return ExitCode.USAGE
    except BrokenPipeError:  # whoever read the output has seen enough
        return ExitCode.OK
    except KeyboardInterrupt as stop:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        said = "terminated" if isinstance(stop, Terminated) else "interrupted"
        hint = "" if sys.argv[1:2] == ["view"] else "`conductor run` goes on from here."
        _say(said, exit_code_of(stop), hint, getattr(stop, "about", None))
        return exit_code_of(stop)
    except Exception as error:  # the one place where a bug ends: a report instead of a wall of text
        what = without_secrets(f"{type(error).__name__}: {error}")
        _say(f"this is a bug in Conductor: {what}", ExitCode.BUG, f"Crash report: {_report()}")
        return ExitCode.BUG


def _told(error: ConductorError) -> tuple[str, str]:
    """Return an error in a line, and what stands above it."""
    if not isinstance(error, InvalidFile):
        return str(error), ""
    count = len(error.problems)
    return f"{count} mistake{'s' if count > 1 else ''} found; nothing was run", str(error)


def _dispatch(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["view"]:
        from conductor.cli.view import main as view

        _hear_signals()
        return view(list(arguments[1:]))
    if arguments[:1] == ["--version"]:
        from conductor._version import __version__

        print(f"conductor {__version__}")  # noqa: T201
        return ExitCode.OK
    gc.set_threshold(_FEW_COLLECTIONS)
    if not _in_a_folder():
        raise UsageError("the current folder does not exist any more", hint="Change to one that does.")
    if arguments[:1] == ["run"] and len(arguments) == 2 and not arguments[1].startswith("-"):
        return _run(arguments[1])
    from conductor.cli.commands import run_typer

    _hear_signals()
    return run_typer(arguments)


def _run(track: str) -> int:
    """Run a track without options: nothing to parse, and typer is an eighth of the way to the first request."""
    from pathlib import Path

    from conductor.cli.running import RunOptions, run_track

    _hear_signals()
    return run_track(Path(track), RunOptions())


def _open_streams() -> None:
    """Open what was closed when this process began (`>&-`) on nothing: no file must get its number, and its text."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _hear_signals() -> None:
    """Let signals unwind what goes on, from here on where `guard` gives them their exit code.

    Before, while modules are loaded, they end the process by themselves: there is nothing yet that could be lost.
    """
    with contextlib.suppress(ValueError):  # not in the main thread: then signals are the caller's
        signal.signal(signal.SIGTERM, _terminate)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, _terminate)  # a closed terminal must not leave a command running behind


def _in_a_folder() -> bool:
    with contextlib.suppress(FileNotFoundError):
        return bool(os.getcwd())  # noqa: PTH109 - pathlib is 5 ms of every start
    return False


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    del signum, frame
    raise Terminated


def _with_json_logs(arguments: list[str]) -> list[str]:
    """Make standard error JSON lines where `--json-logs` asks for it, before or after the command's name."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if JSON_LOGS not in arguments[:end]:
        return arguments
    from conductor.cli.json_logs import JsonLines

    sys.stderr = JsonLines(sys.stderr)
    return [said for at, said in enumerate(arguments) if said != JSON_LOGS or at > end]


def _say(
    message: str, code: ExitCode, hint: str = "", about: Mapping[str, str] | None = None, details: str = ""
) -> None:
    """Say what went wrong on one line, with what it is about, and below it what to do."""
    if record := getattr(sys.stderr, "record", None):
        with contextlib.suppress(OSError):
            record("error", message, exit_code=int(code), hint=hint, details=details, **(about or {}))
        return
    terminal = sys.stderr.isatty()
    known = dict(about or {})
    if terminal and "event" in known:
        known["event"] = known["event"][:8]  # who needs the whole id reads it from the journal
    where = visible(where_of(known), one_line=True)
    if where and terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        where = f"\x1b[2m{where}\x1b[0m"
    line = visible(f"conductor: {message}", one_line=True) + where
    lines = [*([visible(details)] if details else []), line, *([visible(f"  {hint}")] if hint else [])]
    with contextlib.suppress(OSError):
        print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201


def without_secrets(text: str) -> str:
    """Return `text` without what looks like a secret, and without the credentials in the environment."""
    from conductor.qa.redact import redact
    from conductor.withheld import command_environment

    harmless = command_environment(os.environ)
    for name, value in os.environ.items():
        if name not in harmless and len(value) >= 6:
            text = text.replace(value, "[secret]")
    return redact(text)


def _report() -> str:
    """Write the traceback (no values, no environment, no secrets) to a private file and return its path."""
    import tempfile  # here, for these two are a tenth of what `--version` takes
    import traceback

    said = without_secrets(traceback.format_exc())
    with tempfile.NamedTemporaryFile("w", prefix="conductor-crash-", suffix=".txt", delete=False) as report:
        report.write(f"python {sys.version}\narguments {len(sys.argv) - 1}\n\n{said}")
    return report.name
