"""What a file carries besides its bytes, mode and owner: access lists, security labels, a person's own attributes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

# Not among them is what is bound to the old bytes: capabilities of a program, signatures; nor what file systems keep.
_KEPT = ("user.", "system.posix_acl_access", "security.selinux", "security.SMACK64")


def keep_attributes(folder: int, leaf: str, new: int) -> None:
    """Give the file open as `new` the attributes of the one called `leaf` in `folder`, as far as the system lets us."""
    if sys.platform != "linux":
        return
    with suppress(OSError):  # no such file, one that may not be read, or a file system without attributes
        old = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            for name in os.listxattr(old):
                if name.startswith(_KEPT):
                    with suppress(OSError):  # a label that only the system's own rules may set
                        os.setxattr(new, name, os.getxattr(old, name))
        finally:
            os.close(old)
