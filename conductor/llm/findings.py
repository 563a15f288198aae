"""What was found out about models, kept in the user's cache directory: by a probe, or by a request that was refused."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from msgspec import Struct, to_builtins

_REFUSED = "refused"  # the window a server named when it refused a request; a new probe forgets it


class Ability(Struct, frozen=True):
    """What a model was found to be able to do. `window` is 0 where no end of it was found; `checked` tokens did fit."""

    tools: Literal["native", "text", "none"]
    json: bool
    streaming: bool
    window: int
    checked: int


def findings_file() -> Path:
    """Return where findings are kept: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "conductor" / "models.json"


def findings(address: str) -> Mapping[str, Ability]:
    """Return what was probed of models at an address ("" for their provider's own); a damaged file has nothing."""
    known = set(Ability.__struct_fields__)
    of_models = {name: {key: found[key] for key in known & found.keys()} for name, found in _of(address).items()}
    return {name: Ability(**found) for name, found in of_models.items() if found.keys() == known}


def refused_windows(address: str) -> Mapping[str, int]:
    """Return the windows that servers at an address named when they refused a request, by model."""
    named = {model: found.get(_REFUSED) for model, found in _of(address).items()}
    return {model: window for model, window in named.items() if isinstance(window, int) and window > 0}


def keep(address: str, model: str, found: Ability) -> None:
    """Keep what was probed in the place of all that was known. Raises OSError where that cannot be written."""
    _write(address, model, to_builtins(found))


def keep_refused(address: str, model: str, window: int) -> None:
    """Keep the window a server named, beside what was probed. Raises OSError where that cannot be written."""
    _write(address, model, {**_of(address).get(model, {}), _REFUSED: window})


def _of(address: str) -> dict[str, dict[str, Any]]:
    found: object = _kept().get(address)
    models = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    return {name: cast("dict[str, Any]", said) for name, said in models.items() if isinstance(said, dict)}


def _write(address: str, model: str, said: Mapping[str, Any]) -> None:
    file, kept = findings_file(), _kept()
    kept[address] = {**_of(address), model: said}
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    part.replace(file)


def _kept() -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        kept: object = json.loads(findings_file().read_text(encoding="utf-8"))
        return cast("dict[str, Any]", kept) if isinstance(kept, dict) else {}
    return {}
