"""The peer, mini-swe-agent, in an environment of its own, with the litellm that Conductor is pinned to."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

PEER = "mini-swe-agent"
PINNED = "mini-swe-agent==2.4.6"


def peer_venv(folder: Path | None, skip: bool) -> Path | None:
    """Return the peer's environment, made when it is not there; None, after saying why, when it cannot be had."""
    if skip:
        return None
    folder = folder or Path(tempfile.gettempdir()) / f"conductor-bench-{PINNED}"
    if (folder / "bin" / "mini").exists():
        return folder
    print(f"installing {PINNED} into {folder} ...", file=sys.stderr)
    venv.create(folder, with_pip=True)
    wanted = [PINNED, f"litellm=={version('litellm')}"]
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        print(f"no peer: {PINNED} cannot be installed: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    return folder
