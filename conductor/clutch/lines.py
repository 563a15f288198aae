"""Lines of a stream as they come, with a look around while none does."""

from __future__ import annotations

import codecs
import io
import os
import select
from collections.abc import Callable
from typing import IO

_LOOK_S = 0.1


class Lines:
    """Reads a text stream line by line; bytes that are no UTF-8 are replaced. Nobody else may read from it."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._rest = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        try:
            self._fd: int | None = stream.fileno()
        except io.UnsupportedOperation:  # a stream in memory never makes anyone wait
            self._fd = None

    def next(self, look: Callable[[], None] | None = None) -> str:
        """Return the next line, "" at the end. `look` is called several times a second; it may raise."""
        if self._fd is None:
            return self._stream.readline()
        while "\n" not in self._rest:
            if look and not select.select([self._fd], [], [], _LOOK_S)[0]:
                look()
                continue
            data = os.read(self._fd, 65536)
            self._rest += self._decode(data, final=not data)
            if not data:
                last, self._rest = self._rest, ""
                return last
        line, self._rest = self._rest.split("\n", 1)
        return line + "\n"
