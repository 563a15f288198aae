"""What rules know of commands: their plain flags, which neither write, nor run or load anything that is named to them.

A flag that is not listed is not plain; nothing is guessed from its looks. Abbreviated long flags are not listed either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

_VALUE = re.compile(r"(?![-@])[\w .,:+()\[\]<>='%-]*")  # no slash: no value of a plain flag leads to a file
_COUNT = re.compile(r"-\d{1,6}")


class Profile(Struct, frozen=True):
    """A command by its first words, and the flags that rules let through.

    `alone` take no value, `valued` the rest of their word or the next one, `attached` an optional one after "=".
    `runs_code` says whether it runs code of the project; `-NUMBER` is a flag where `counts`.
    """

    words: tuple[str, ...]
    alone: frozenset[str]
    valued: frozenset[str] = frozenset()
    attached: frozenset[str] = frozenset()
    runs_code: bool = False
    counts: bool = False

    def operands(self, argv: Sequence[str]) -> list[str] | None:
        """Return the words of `argv` that are no flags; None when one of its flags is not plain."""
        found: list[str] = []
        rest = iter(argv[len(self.words) :])
        for word in rest:
            if word == "--":
                return found + list(rest)
            if not word.startswith("-"):
                found.append(word)
            elif word in self.valued:
                if not _is_value(next(rest, "-")):
                    return None
            elif not self._is_plain(word):
                return None
        return found

    def _is_plain(self, flag: str) -> bool:
        if flag in self.alone or flag in self.attached or (self.counts and _COUNT.fullmatch(flag)):
            return True
        if flag.startswith("--"):
            name, equals, value = flag.partition("=")
            return bool(equals) and name in self.valued | self.attached and _is_value(value)
        for position, letter in enumerate(flag[1:], 2):  # several in one word, the last may take what is left of it
            if f"-{letter}" in self.valued:
                return position < len(flag) and _is_value(flag[position:])
            if f"-{letter}" not in self.alone:
                return False
        return len(flag) > 1


def _is_value(text: str) -> bool:
    return _VALUE.fullmatch(text) is not None


def profile_of(argv: Sequence[str]) -> Profile | None:
    """Return what is known of the command `argv` begins with, None when that is nothing."""
    return next((known for known in PROFILES if tuple(argv[: len(known.words)]) == known.words), None)


def _known(
    words: str, alone: str, valued: str = "", attached: str = "", *, runs_code: bool = False, counts: bool = False
) -> Profile:
    alone_, valued_, attached_ = (frozenset(text.split()) for text in (alone, valued, attached))
    return Profile(tuple(words.split()), alone_, valued_, attached_, runs_code, counts)


_PYTEST = (
    "-q -v -x -s -l --quiet --verbose --exitfirst --lf --last-failed --ff --failed-first --nf --new-first"
    " --sw --stepwise --co --collect-only --no-header --no-summary --showlocals --strict-markers --strict-config"
    " --cache-clear --fixtures",
    "-k -m -r -n --maxfail --tb --durations --durations-min --color --numprocesses --dist --verbosity --timeout",
)
_DIFF = (
    "-p -u -w -b -z --patch --stat --shortstat --numstat --name-only --name-status --summary --no-color --no-renames"
    " --ignore-all-space --ignore-space-change --ignore-blank-lines --minimal --patience --histogram --word-diff --raw"
    " --no-patch --function-context --exit-code --quiet --check --no-ext-diff --no-textconv"
)
_LOG = (
    " --oneline --graph --all --decorate --no-decorate --merges --no-merges --first-parent --reverse --follow"
    " --abbrev-commit",
    "-n -U --max-count --since --until --author --grep --skip --unified",
    "--stat --format --pretty --date --color --decorate --word-diff",
)

PROFILES: tuple[Profile, ...] = (
    _known(
        "ls",
        "-a -A -l -h -t -r -S -R -1 -F -d -i -s -n -g -o -p -U -X -c -u -k -m -x -C -G -N -q -b --all --almost-all"
        " --human-readable --recursive --reverse --size --directory --inode --full-time --group-directories-first"
        " --numeric-uid-gid --no-group --file-type",
        attached="--color --sort --time",
    ),
    _known("pwd", "-L -P"),
    _known("cat", "-n -b -s -A -E -T --number --number-nonblank --show-all --show-ends --show-tabs --squeeze-blank"),
    _known("head", "-q -v --quiet --verbose", "-n -c --lines --bytes", counts=True),
    _known("tail", "-q -v --quiet --verbose", "-n -c --lines --bytes", counts=True),
    _known("wc", "-l -w -c -m -L --lines --words --bytes --chars --max-line-length"),
    _known(
        "git status",
        "-s -b -z -uno -uall -unormal --short --branch --long --show-stash --ignored --no-renames --ahead-behind"
        " --no-ahead-behind",
        attached="--porcelain --untracked-files --ignored --column",
    ),
    _known("git diff", _DIFF + " --cached --staged --merge-base", "-U --unified --diff-filter", "--stat --color"),
    _known("git log", _DIFF + _LOG[0], *_LOG[1:], counts=True),
    _known("git show", _DIFF + _LOG[0], *_LOG[1:], counts=True),
    _known("git rev-parse", "--short --abbrev-ref --show-toplevel --is-inside-work-tree --verify --quiet -q"),
    _known(
        "ruff check",
        "-q -v -s -n -e --quiet --verbose --silent --no-cache --exit-zero --exit-non-zero-on-fix --no-fix --diff"
        " --statistics --show-files --show-settings --show-fixes --preview --no-preview --isolated --force-exclude"
        " --respect-gitignore",
        "--select --ignore --extend-select --extend-ignore --output-format --target-version --line-length",
    ),
    _known(
        "ruff format --check",
        "-q -v -s -n --quiet --verbose --silent --no-cache --diff --preview --no-preview --isolated --force-exclude",
        "--target-version --line-length --output-format",
    ),
    _known("pytest", *_PYTEST, runs_code=True),
    _known("python -m pytest", *_PYTEST, runs_code=True),
    _known("python3 -m pytest", *_PYTEST, runs_code=True),
)
