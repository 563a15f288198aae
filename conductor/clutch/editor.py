"""Where a person types more than a key: their own editor, an editor inside the terminal, a line."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from conductor.errors import Terminated
from conductor.shell import run_in_foreground
from conductor.visible import visible

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import Application
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

Look = Callable[[], None]
_LOOK_S = 0.1
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class NoEditor(Exception):
    """The person's own editor is not set or did not work; the message says which."""


def edit_in_editor(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` as the person left it in $VISUAL or $EDITOR. Raises `NoEditor`.

    The file is its owner's alone, in a folder of its own, so that the editor's backup and swap files go with it.
    """
    setting = environ.get("VISUAL", "").strip() or environ.get("EDITOR", "").strip()
    if not setting:
        raise NoEditor("neither VISUAL nor EDITOR is set")
    with tempfile.TemporaryDirectory(prefix="conductor-") as folder:
        path = Path(folder, "payload.json")
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        try:
            code = run_in_foreground([*shlex.split(setting), str(path)])
            if code == 0:
                return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:  # ValueError: quotes that do not close, bytes that are no UTF-8
            raise NoEditor(f"{visible(setting, one_line=True)}: {error}") from None
    raise NoEditor(f"{visible(setting, one_line=True)} ended with exit code {code}")


def edit_inline(text: str, stdin: TextIO, stdout: TextIO, look: Look | None = None) -> str | None:
    """Return `text` as the person left it in a small editor right here, None when they gave up; `look` as in a line."""
    bindings = _bindings()

    @bindings.add("c-d")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    session = _session(stdin, stdout, bindings, multiline=True)
    edited = _prompt(session, "", look, default=text.rstrip("\n"), prompt_continuation="")
    return edited if edited is None else edited + "\n"


def ask_line(question: str, stdin: TextIO, stdout: TextIO, look: Look | None = None) -> str | None:
    """Return what the person typed behind `question`, None when they gave up with Esc or Ctrl-C.

    `look` is called several times a second meanwhile; what it raises ends the wait and comes out here.
    """
    bindings = _bindings()

    @bindings.add("escape", eager=True)
    def _(event: KeyPressEvent) -> None:
        event.app.exit(exception=KeyboardInterrupt)

    return _prompt(_session(stdin, stdout, bindings, multiline=False), question, look)


def _prompt(session: PromptSession[str], question: str, look: Look | None, **options: Any) -> str | None:
    with _end_noted() as ended:

        def look_around() -> None:
            if ended():
                raise Terminated
            if look:
                look()

        def begin() -> None:
            session.app.create_background_task(_looking(session.app, look_around))

        try:
            # prompt-toolkit's own handler of exceptions would wait for Enter, which nobody may ever press
            return session.prompt(question, pre_run=begin, set_exception_handler=False, **options)
        except Terminated:  # a Ctrl-C gives up what is typed, the end of the process does not stop there
            raise
        except (KeyboardInterrupt, EOFError):
            return None


@contextlib.contextmanager
def _end_noted() -> Generator[Callable[[], bool]]:
    """Only note signals that end this program, for the function yielded to tell of; they are sent again afterwards.

    What their own handlers raise could come out anywhere in the event loop, and some places there keep an exception.
    """
    came: list[int] = []
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in _ENDING if _is_heard(number)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _is_heard(number: int) -> bool:
    """Say whether a handler of ours hears this signal; in another thread none can be put in its place."""
    return callable(signal.getsignal(number)) and threading.current_thread() is threading.main_thread()


async def _looking(app: Application[str], look: Look) -> None:
    """Look around until the prompt is over, or until something is found that ends it."""
    from asyncio import sleep

    while True:
        await sleep(_LOOK_S)
        try:
            look()
        except (Exception, Terminated) as found:
            if not app.is_done:
                app.exit(exception=found)
            return


def _bindings() -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings

    return KeyBindings()


def _session(stdin: TextIO, stdout: TextIO, bindings: KeyBindings, *, multiline: bool) -> PromptSession[str]:
    """Return a prompt that starts with nothing typed ahead and never asks the terminal where its cursor is."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.input.typeahead import clear_typeahead
    from prompt_toolkit.input.vt100 import Vt100Input
    from prompt_toolkit.output.vt100 import Vt100_Output

    source = Vt100Input(stdin)
    clear_typeahead(source)
    size = Vt100_Output.from_pty(stdout, term=os.environ.get("TERM")).get_size
    output = Vt100_Output(stdout, size, term=os.environ.get("TERM"), enable_cpr=False)
    session: PromptSession[str] = PromptSession(
        input=source, output=output, key_bindings=bindings, multiline=multiline, enable_suspend=True
    )
    session.app.ttimeoutlen = 0.05
    session.app.erase_when_done = True
    return session
