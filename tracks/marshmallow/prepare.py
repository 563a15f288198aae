"""Make the project that track.toml works on: marshmallow 3.13.0 with the tests of 3.14.0, and a .venv to run them.

    python prepare.py [FOLDER]

FOLDER (default: `project` beside this file) must not exist yet or be empty. Sources and test requirements come from the
package index that pip is configured for. Needs Python 3.11.4 or newer, and nothing else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE, NEWER = "3.13.0", "3.14.0"
# setuptools stands in for distutils, which marshmallow 3.13.0 imports and Python 3.12 no longer has.
REQUIREMENTS = ("pytest", "pytz", "simplejson", "setuptools<81")
CONFIGURATION = """\
# The worker is a script, so this needs no key. With a model of yours: default = "openai/gpt-5-mini", say.
# Nothing in the script answers for default_cheap, so hints come from the built-in analyser.
[models]
default = "scripted:tracks/worker.json"
default_cheap = "scripted:tracks/worker.json"
"""


def main() -> None:
    """Prepare the folder that is named on the command line and say how to go on."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "project").resolve()
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder} is not empty: remove it, or name another folder")
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(_unpacked(SOURCE, Path(scratch)), folder, dirs_exist_ok=True)
        shutil.rmtree(folder / "tests")
        shutil.copytree(_unpacked(NEWER, Path(scratch)) / "tests", folder / "tests")
    (folder / "conductor.toml").write_text(CONFIGURATION)
    (folder / "tracks").mkdir()
    for name in ("track.toml", "worker.json"):
        shutil.copy(HERE / name, folder / "tracks" / name)
    venv.create(folder / ".venv", with_pip=True)
    _pip(folder / ".venv" / "bin" / "python", "install", *REQUIREMENTS)
    sys.stdout.write(f"Ready. Go on with:\n  cd {folder}\n  conductor run tracks/track.toml\n")


def _unpacked(version: str, scratch: Path) -> Path:
    """Download a source distribution of marshmallow and return the folder it unpacks to."""
    _pip(sys.executable, "download", "--no-deps", "--no-binary", ":all:", "--dest", scratch, f"marshmallow=={version}")
    with tarfile.open(scratch / f"marshmallow-{version}.tar.gz") as archive:
        archive.extractall(scratch, filter="data")
    return scratch / f"marshmallow-{version}"


def _pip(python: str | Path, *arguments: str | Path) -> None:
    done = subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=False)
    if done.returncode:
        sys.exit(f"pip could not do it (exit code {done.returncode}); what it said stands above")


if __name__ == "__main__":
    main()
