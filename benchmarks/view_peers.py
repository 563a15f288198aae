"""Other tools that show code without bodies, each in an environment of its own below one folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# What aider's map knows of files: all tags of each, drawn as its map draws them. `aider` itself wants a model.
AIDER = """
import sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from aider.io import InputOutput
from aider.repomap import RepoMap
class Model:
    def token_count(self, text): return len(text) // 4
start = Path(sys.argv[1])
files = [start] if start.is_file() else sorted(start.rglob("*.py"))
root = start if start.is_dir() else start.parent
repo = RepoMap(map_tokens=10**9, root=str(root), main_model=Model(), io=InputOutput(pretty=False))
tags = []
for file in files:
    tags += [tag for tag in repo.get_tags_raw(str(file), file.name) if tag.kind == "def"]
print(repo.to_tree(tags, set()))
"""
# The corpus: packages whose large files are shown. Without what they depend on, nothing of them is run.
# Pinned: in later versions a file of the twenty may be another one altogether.
CORPUS = "sqlalchemy==2.1.9 pandas==3.1.1 django==5.2.19 rich==15.0.0 litellm==1.105.0"


@dataclass(frozen=True)
class Peer:
    """A tool: its name with version, and its command for a file or folder; `folders` says it takes nothing smaller."""

    name: str
    command: Callable[[Path], list[str]]
    folders: bool = False


def installed(folder: Path) -> list[Peer]:
    """Return the peers that are there or can be installed below `folder`; say of the others that they cannot."""
    found: list[Peer] = []
    small = pip(folder / "small", "ast-outline", "skeletree")
    if small:
        found.append(Peer(versioned(small, "ast-outline"), lambda at: [f"{small}/ast-outline", "outline", str(at)]))
        tree = ["map", "--no-cache", "--quiet", "--out", "-"]
        found.append(
            Peer(versioned(small, "skeletree"), lambda at: [f"{small}/skeletree", *tree, str(at)], folders=True)
        )
    aider = pip(folder / "aider", "aider-chat")  # which pins a grep-ast that brings its grammars
    if aider:
        wanted = r"^\s*(async def|def|class) "
        found.append(Peer(versioned(aider, "grep-ast"), lambda at: [f"{aider}/grep-ast", "-n", wanted, str(at)]))
        found.append(Peer(versioned(aider, "aider-chat"), lambda at: [f"{aider}/python", "-c", AIDER, str(at)]))
    found += repomix(folder / "repomix")
    if shutil.which("ctags"):
        version = subprocess.run(["ctags", "--version"], capture_output=True, text=True).stdout.split(",")[0]
        found.append(Peer(version, lambda at: ["ctags", "-R", "-f", "-", str(at)]))
    else:
        print("no peer ctags: not on this machine (apt install universal-ctags)")
    return found


def corpus(folder: Path) -> Path | None:
    """Return a folder with the packages of the corpus, installed when it is not there."""
    place = folder / "corpus"
    if not place.is_dir():
        wanted = ["--target", str(place), "--no-deps", *CORPUS.split()]
        if not ran([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]):
            return None
    return place


def pip(place: Path, *packages: str) -> Path | None:
    """Return the programs of an environment with `packages`, None, after saying why, when it cannot be made."""
    ready = place / "ready"
    if not ready.exists():
        print(f"installing {', '.join(packages)} into {place} ...", file=sys.stderr)
        venv.create(place, with_pip=True)
        command = [f"{place}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        if not ran(command):
            print(f"no peers {', '.join(packages)}: cannot be installed")
            return None
        ready.touch()
    return place / "bin"


def repomix(place: Path) -> list[Peer]:
    program = place / "node_modules" / ".bin" / "repomix"
    if not program.exists():
        place.mkdir(parents=True, exist_ok=True)
        if not shutil.which("npm") or not ran(
            ["npm", "install", "--silent", "--no-audit", "--prefix", str(place), "repomix"]
        ):
            print("no peer repomix: npm is not here, or cannot install it")
            return []
    options = "--compress --stdout --quiet --no-security-check --style plain --no-file-summary --no-directory-structure"
    version = subprocess.run([str(program), "--version"], capture_output=True, text=True).stdout.strip()
    return [Peer(f"repomix {version}", lambda at: [str(program), *options.split(), str(at)], folders=True)]


def versioned(programs: Path, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([f"{programs}/python", "-c", code], capture_output=True, text=True)
    return f"{package} {done.stdout.strip()}"


def ran(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0
