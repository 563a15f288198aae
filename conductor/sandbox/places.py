"""Which places of a machine commands need, and which are nobody's business."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

# What programs are made of, in a home folder that is otherwise out of sight. No folder that also holds credentials:
# ~/.cargo, ~/.m2 and ~/.config are named by their parts.
_IN_HOME = """
.pyenv .rbenv .nodenv .goenv .nvm .volta .asdf .bun .deno/bin .rustup .cargo/bin .cargo/registry .cargo/git .sdkman
.local/bin .local/lib .local/pipx .local/share/pipx .local/share/uv .local/share/mise .local/share/pnpm .local/share/fnm
.virtualenvs miniconda3 anaconda3 miniforge3 mambaforge .conda/envs go/bin go/pkg .gem .m2/repository .sbcl .opam .ghcup
.cache/pyright-python .cache/ms-playwright .cache/pre-commit .cache/huggingface/hub
.gitconfig .config/git/config .config/git/ignore .config/git/attributes
"""
_SHARED_BY_MANY = frozenset({".local", ".cargo", ".config", ".deno", "go"})
_SECRETS_OF_THE_SYSTEM = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/docker",
    "/etc/kubernetes",
)


def homes() -> list[Path]:
    """Return the folders that hold people's own files. A home that is / (a container's) is none."""
    own = Path(os.environ.get("HOME") or Path.home())
    candidates = dict.fromkeys((own, own.resolve(), Path("/root"), Path("/home"), Path("/Users")))
    found = [path for path in candidates if len(path.parts) > 1 and path.is_dir() and not path.is_symlink()]
    return [path for path in found if not any(other in path.parents for other in found)]


def system_secrets() -> list[Path]:
    """Return what in the system only root may read; root without capabilities still owns it."""
    if os.geteuid() != 0:
        return []
    keys = Path("/etc/ssh").glob("ssh_host_*_key")
    return [path for path in (*map(Path, _SECRETS_OF_THE_SYSTEM), *keys) if path.exists() and not path.is_symlink()]


def kernel_settings() -> list[Path]:
    """Return what in /proc root may write without any capability, and so change the whole machine.

    bwrap covers such folders only where the folder itself has write permission, which /proc/sys has not: a command
    could name a program there that the kernel runs when a process crashes.
    """
    if os.geteuid() != 0:
        return []
    found = [path for path in Path("/proc").iterdir() if not path.name.isdigit() and not path.is_symlink()]
    return [path for path in found if path.name == "sys" or path.stat().st_mode & 0o222]


def programs(env: Mapping[str, str], below: Iterable[Path]) -> list[Path]:
    """Return what commands need to read of the hidden folders `below`: interpreters, tools, git's settings."""
    hidden = list(below)
    home = Path(env.get("HOME") or Path.home())
    wanted = dict.fromkeys((*(home / name for name in _IN_HOME.split()), *_on_path(env, home)))
    found = [path for path in wanted if any(top in path.parents for top in hidden) and path.exists()]
    return [path for path in found if not any(other in path.parents for other in found)]


def _on_path(env: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield what programs on PATH, the active environment and this interpreter are made of."""
    for entry in filter(None, (env.get("VIRTUAL_ENV"), env.get("CONDA_PREFIX"), sys.prefix, sys.base_prefix)):
        yield Path(entry)
    for folder in map(Path, filter(None, env.get("PATH", "").split(":"))):
        whole = folder.name in ("bin", "sbin", "shims") and folder.parent != home
        yield folder.parent if whole and folder.parent.name not in _SHARED_BY_MANY and _is_deep(folder) else folder


def _is_deep(folder: Path) -> bool:
    """Say whether the folder above is still one of programs, and not /tmp itself."""
    return len(folder.parts) > 3


def git_folder(root: Path) -> Path | None:
    """Return where the project's repository is, if a command in `root` may write there.

    That is `.git`, or what a `.git` file names when that folder points back at it: nobody can make it do so from
    inside the project. None for a repository that begins above the project, or none at all.
    """
    entry = root / ".git"
    if entry.is_symlink():
        return None
    if entry.is_dir():
        return entry
    try:
        folder = Path(entry.read_text().removeprefix("gitdir:").strip())
        back = Path((root / folder / "gitdir").read_text().strip())
    except (OSError, ValueError):
        return None
    return (root / folder).resolve() if back == entry else None
