"""The environment of commands: what is known to be harmless and needed, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from conductor.withheld import command_environment

_ALLOWED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TERM|COLORTERM|COLUMNS|LINES|NO_COLOR|FORCE_COLOR|CLICOLOR\w*"
    r"|TMPDIR|PWD|OLDPWD|CI|SOURCE_DATE_EPOCH|XDG_(CACHE|DATA)_HOME"
    r"|VIRTUAL_ENV|CONDA_(PREFIX|DEFAULT_ENV|EXE|SHLVL)|PYENV_\w+|UV_(PYTHON\w*|PROJECT_ENVIRONMENT)"
    r"|PYTHON(PATH|HOME|DONTWRITEBYTECODE|UNBUFFERED|HASHSEED|WARNINGS|UTF8|IOENCODING|PYCACHEPREFIX|FAULTHANDLER"
    r"|DEVMODE|OPTIMIZE|SAFEPATH|NOUSERSITE|USERBASE)"
    r"|PYTEST_(ADDOPTS|PLUGINS|DISABLE_PLUGIN_AUTOLOAD)|COVERAGE_(FILE|RCFILE|CORE|PROCESS_START)|DJANGO_SETTINGS_MODULE"
    r"|NODE_(ENV|OPTIONS|PATH)|NVM_(DIR|BIN|INC)|VOLTA_HOME|N_PREFIX|PNPM_HOME|BUN_INSTALL|DENO_(DIR|INSTALL)"
    r"|JAVA_HOME|GRADLE_HOME|MAVEN_HOME|M2_HOME|GO(PATH|ROOT|CACHE|FLAGS|TOOLCHAIN|OS|ARCH)"
    r"|CARGO_(HOME|TARGET_DIR|INCREMENTAL)|RUST(UP_HOME|UP_TOOLCHAIN|FLAGS|_BACKTRACE)|GEM_(HOME|PATH)|BUNDLE_PATH"
    r"|CC|CXX|LD|AR|(C|CPP|CXX|LD)FLAGS|MAKEFLAGS|PKG_CONFIG_PATH|LD_LIBRARY_PATH|LIBRARY_PATH|C_INCLUDE_PATH"
    r"|GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)"
)
_CREDENTIALS_IN = re.compile(r"://[^/\s]*:[^/\s]*@")


def allowed_environment(environ: Mapping[str, str], more: Collection[str] = ()) -> dict[str, str]:
    """Return those variables of `environ` that commands may have, and those the user names in `more`.

    A list of what is allowed, not of what is not: nobody knows what the next service calls its secret. A variable
    whose name looks like a credential, or whose value holds one in an address, is left out unless it is in `more`.
    """
    usual = {
        name: value
        for name, value in command_environment(environ).items()
        if _ALLOWED.fullmatch(name) and not _CREDENTIALS_IN.search(value)
    }
    return usual | {name: environ[name] for name in more if name in environ}
