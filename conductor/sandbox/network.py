"""A seccomp filter that leaves a process no way to a network, nor to a service of this machine."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Mapping
from types import MappingProxyType

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | errno.EPERM
_UNIX = 1  # AF_UNIX
_OTHER_NUMBERING = 0x40000000  # x32: the same calls under other numbers
_IO_URING_SETUP = 425  # makes and connects sockets without those calls
# machine: (its number for the kernel, socket, connect)
_MACHINES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"x86_64": (0xC000003E, 41, 42), "aarch64": (0xC00000B7, 198, 203)}
)


def no_network_filter() -> bytes:
    """Return the filter as the kernel takes it. Raises OSError on a machine it is not written for.

    Of sockets only those between processes may be made, and none may be connected: behind a socket file there may be
    a service that does anything for whoever asks (Docker, a session bus, an agent with keys). Pairs are not touched.
    """
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no filter for the network on {machine}")
    architecture, socket, connect = _MACHINES[machine]
    steps = (
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 8, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 6, 0, _OTHER_NUMBERING),
        (_EQUAL, 5, 0, connect),
        (_EQUAL, 4, 0, _IO_URING_SETUP),
        (_EQUAL, 0, 2, socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, _UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    )
    return b"".join(struct.pack("HBBI", code, yes, no, value) for code, yes, no, value in steps)
