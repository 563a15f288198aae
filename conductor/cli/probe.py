"""`conductor doctor --probe`."""

from __future__ import annotations

import json as json_module

import typer
from msgspec import to_builtins
from msgspec.structs import replace

from conductor.llm.base import Model, OnText
from conductor.llm.text_protocol import Protocol
from conductor.settings import ModelsConfig
from conductor.visible import visible


def probe(name: str, models: ModelsConfig, *, json: bool) -> None:
    """Ask the model called `name` a few things, keep what it can do, and print it."""
    from conductor.llm.findings import Ability, findings_file, keep
    from conductor.llm.gateway import Gateway, openai_base
    from conductor.llm.listing import stated_window
    from conductor.llm.probe import probe as ask

    gateway = Gateway(api_base=models.api_base, adapter=models.adapter, timeout_s=models.timeout_s)

    def opened(protocol: Protocol, on_text: OnText | None) -> Model:
        return replace(gateway, protocol=protocol, stream=on_text is not None).open(name, on_text=on_text)

    base = models.api_base or openai_base()
    stated = stated_window(base, name) if base else 0
    if not json:
        times = "up to three" if stated else "up to seven"
        typer.echo(f"asking {visible(name, one_line=True)} {times} times ...", err=True)
    found: Ability = ask(opened, stated=stated)
    keep(base, name, found)
    if json:
        typer.echo(json_module.dumps({"model": name, **to_builtins(found), "kept_in": str(findings_file())}, indent=2))
        return
    tools = {"native": "yes", "text": "in its text only", "none": "no: it cannot work on tickets"}[found.tools]
    typer.echo(f"tools      {tools}")
    typer.echo(f"json       {'exact' if found.json else 'not exact: quotation marks and line breaks go wrong'}")
    typer.echo(f"streaming  {'yes' if found.streaming else 'no'}")
    if stated:
        window = f"{stated:,} tokens, its server says"
    else:
        window = f"about {found.window:,} tokens" if found.window else f"at least {found.checked:,} tokens"
    typer.echo(f"window     {window}")
    typer.echo(f"kept in {visible(str(findings_file()), one_line=True)}")
