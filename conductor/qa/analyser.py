"""The built-in analyser: a failing output becomes a hint without any model."""

from __future__ import annotations

from msgspec.structs import replace

from conductor.qa.base import FailedRun, Finding, Reader, compose
from conductor.qa.diagnostics import read_diagnostics, read_unformatted, read_warnings
from conductor.qa.errors import (
    read_error_line,
    read_last_line,
    read_parse_error,
    read_signal,
    read_status,
    read_suspicious_line,
)
from conductor.qa.javascript import read_node, read_tap, read_tests
from conductor.qa.output import Output, read_output
from conductor.qa.pytest import read_pytest
from conductor.qa.python import read_traceback
from conductor.qa.redact import redact
from conductor.qa.runtimes import read_go, read_java, read_native, read_rust_panic, read_script
from conductor.qa.tools import read_git, read_linker, read_make, read_make_rule, read_npm, read_shell, read_sql
from conductor.qa.unit import read_doctest, read_unittest

# Most specific first: a test runner quotes tracebacks, a crash follows warnings, make repeats what failed in it.
_READERS: tuple[Reader, ...] = (
    read_pytest,
    read_doctest,
    read_unittest,
    read_traceback,
    read_native,
    read_tests,
    read_tap,
    read_node,
    read_java,
    read_go,
    read_rust_panic,
    read_diagnostics,
    read_unformatted,
    read_linker,
    read_git,
    read_make,
    read_npm,
    read_script,
    read_sql,
    read_parse_error,
    read_shell,
    read_signal,
    read_error_line,
    read_warnings,
    read_suspicious_line,
    read_make_rule,
    read_last_line,
)


def analyse(run: FailedRun) -> str:
    """Return a hint of 1 to 20 words for a failed run, from its output alone: deterministic, and never raises.

    Every file and name in it stands in the output or in the command, and no key or password is left in it.
    """
    return word(find(read(run)))


def read(run: FailedRun) -> Output:
    """Return the run's output as the readers see it."""
    return read_output(run.command, run.exit_code, run.cwd, run.stdout, run.stderr, timed_out=run.timed_out)


def word(finding: Finding) -> str:
    """Return the hint a finding makes, without keys and passwords."""
    return redact(compose(finding))


def find(output: Output) -> Finding:
    """Return what the first reader that understands the output makes of it."""
    for reader in _READERS:
        finding = reader(output)
        if finding is not None and finding.message.strip():
            return _inside(finding, output)
    return read_status(output)


def _inside(finding: Finding, output: Output) -> Finding:
    """Return the finding with the project's paths in its words made relative, and whether the run was cut short."""
    killed = ("timed out",) if output.timed_out and "timed out" not in finding.message else ()
    extras = (*killed, *(output.relative(extra) for extra in finding.extras))
    return replace(finding, message=output.relative(finding.message), extras=extras)
