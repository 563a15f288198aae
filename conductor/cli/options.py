"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TrackArgument = Annotated[Path, typer.Argument(help="The track file.", show_default=False)]
AnyTrackArgument = Annotated[
    Path | None, typer.Argument(help="The track file. Default: the last one run here, or the only one in tracks/.")
]
ProjectOption = Annotated[
    Path | None, typer.Option("--project", "-C", help="The project folder. Default: found from here upwards.")
]
RebuildOption = Annotated[
    bool, typer.Option("--rebuild", help="Read every entry of the journal anew; use no snapshot of it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
