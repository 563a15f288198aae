"""The most memory this process has had, for clients that do not share an environment: standard library only."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_mib() -> float:
    """Return the peak of the resident memory in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would be the parent's where that was larger when it forked
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        assert found
        return int(found[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
