from __future__ import annotations

import os
import pty
import termios
import tty

import pytest

from conductor.clutch.keys import as_found


def test_the_modes_of_a_terminal_come_back_whatever_happens() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave) as terminal:
        before = termios.tcgetattr(terminal)
        with pytest.raises(KeyboardInterrupt), as_found(terminal):
            tty.setraw(terminal)
            assert termios.tcgetattr(terminal) != before
            raise KeyboardInterrupt
        assert termios.tcgetattr(terminal) == before
    os.close(master)


def test_a_terminal_that_is_gone_is_no_error() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave) as terminal:
        with as_found(terminal):
            os.close(master)
        with as_found(terminal):
            pass
