"""What can be set, and what is wrong with settings that people wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, convert, field
from msgspec.structs import force_setattr

from conductor import typed
from conductor.errors import UsageError
from conductor.models import Archetype, TrustLevel
from conductor.toml_source import did_you_mean
from conductor.typed import Mistake
from conductor.visible import is_suspect, visible
from conductor.withheld import credentials_in

_CODER = "You are a careful programmer. You read before you write, change as little as needed, and check your work."
_TOOLS = ("read_file", "list_files", "search", "write_file", "edit_file", "run_shell")
_SERVER = r"[A-Za-z0-9](?:[A-Za-z0-9]|[_-](?!_)){0,31}"
_SERVER_TOOL = re.compile(rf"mcp:{_SERVER}(/.{{1,128}})?")


def _plain(text: str) -> None:
    if not text.strip():
        raise ValueError("must not be empty")
    if is_suspect(text):
        raise ValueError("has characters that cannot be seen")


def _web_address(text: str) -> None:
    _plain(text)
    if not text.startswith(("http://", "https://")):
        raise ValueError('must begin with "http://" or "https://"')


def _known_tool(name: str) -> None:
    if name.startswith("mcp:"):
        if not _SERVER_TOOL.fullmatch(name):
            raise ValueError('tools of a server are named "mcp:SERVER" or "mcp:SERVER/TOOL"')
        return
    from conductor.tools.registry import builtin_tools

    if name not in (known := builtin_tools()):
        raise ValueError(f'"{name}" is no tool{did_you_mean(name, known)}')


def _server_name(name: str) -> None:
    if not re.fullmatch(_SERVER, name):
        raise ValueError("the name of a server is 1 to 32 letters, digits, '_' or '-', first a letter or digit")


def _variable(name: str) -> None:
    if not (name.isascii() and name.isidentifier()):
        raise ValueError("must be the name of a variable")


def _place(text: str) -> None:
    _plain(text)
    if not text.startswith(("/", "~/")):
        raise ValueError('must begin with "/" or "~/"')


def _name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError("must be 1 to 64 letters, digits, '.', '_' or '-', first a letter or digit")


def _gate_name(name: str) -> None:
    _name(name)
    if name == "verify":
        raise ValueError('"verify" is the name of the tickets\' own command')


Text = Annotated[str, Meta(extra={"check": _plain})]
Address = Annotated[str, Meta(extra={"check": _web_address})]
Amount = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(gt=0)]
Window = Annotated[int, Meta(ge=1024)]
Folder = Annotated[str, Meta(extra={"check": _place})]
VariableName = Annotated[str, Meta(extra={"check": _variable})]
ToolName = Annotated[str, Meta(extra={"check": _known_tool})]
ServerName = Annotated[str, Meta(extra={"check": _server_name})]
Name = Annotated[str, Meta(extra={"check": _name})]
GateName = Annotated[str, Meta(extra={"check": _gate_name})]


NO_MODEL = "builtin"  # as models.default_cheap: hints come from the built-in analyser alone


class ModelsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which models work: names as litellm knows them, or `scripted:FILE.json`."""

    default: Text = "openai/gpt-5-mini"
    default_cheap: Text = "openai/gpt-5-nano"
    api_base: Address | None = None
    stream: bool | None = None
    adapter: Literal["direct", "litellm"] = "direct"
    cache: Literal["off", "read", "write", "refresh"] = "off"
    timeout_s: Amount = 600.0
    max_output_tokens: Count | None = None
    protocol: Literal["auto", "native", "text"] = "auto"
    large: Text | None = None
    context_window: Window | None = None
    windows: dict[Text, Window] = {}


class ContextConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How conversations are kept inside the window."""

    compressor: Text | None = None


class LimitConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be used; what is not set is not limited."""

    usd: Amount | None = None
    tokens: Count | None = None
    minutes: Amount | None = None


class ArchetypeConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of worker."""

    trust_level: TrustLevel = TrustLevel.STEP
    tools: tuple[ToolName, ...] = _TOOLS
    max_turns: Count = 30
    max_corrections: Count = 3
    instructions: str = _CODER
    model: Text | None = None
    budget: LimitConfig = LimitConfig()


class BudgetConfig(LimitConfig, frozen=True, forbid_unknown_fields=True):
    """What one run may use, and each of its tickets."""

    ticket: LimitConfig = LimitConfig()


class GateConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A command that says whether work is good: after each changing call, or when a ticket says it is done."""

    name: GateName
    command: Text
    files: tuple[Text, ...] = ()
    when: Literal["call", "ticket"] = "ticket"
    parser: Literal["auto", "ruff", "pyright", "pytest", "none"] = "auto"
    timeout_s: Annotated[float, Meta(gt=0, le=7200)] = 900.0


class TestsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What workers may not weaken; both files' patterns hold."""

    frozen: tuple[Text, ...] = ()


class InspectorConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What `conductor inspect` holds odds against; a project's file can only raise it."""

    threshold: Annotated[float, Meta(ge=0.5, le=0.999)] = 0.9


class SandboxConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What commands may do; `auto` takes the best mechanism that works on the machine."""

    mode: Literal["auto", "bubblewrap", "landlock", "seatbelt", "none"] = "auto"
    network: bool = False
    writable: tuple[Folder, ...] = ()
    readable: tuple[Folder, ...] = ()
    environment: tuple[VariableName, ...] = ()
    processes: Count = 1024
    memory_mb: Count = 4096


class McpConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A server of tools: a command that is started, or an address. `${NAME}` in a value is the user's variable."""

    command: Text | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    url: Address | None = None
    headers: dict[str, str] = {}
    timeout_s: Amount = 60.0

    def __post_init__(self) -> None:
        if (self.command is None) == (self.url is None):
            raise ValueError("needs either a command or a url")
        if self.url and (self.args or self.env):
            raise ValueError("args and env go with a command, not with a url")
        if self.command and self.headers:
            raise ValueError("headers go with a url, not with a command")

    def credentials(self) -> Iterator[str]:
        """Yield what of it is secret: by the names of variables, headers, options and parameters."""
        options = [(name, after) for name, after in zip(self.args, self.args[1:], strict=False) if name[:1] == "-"]
        joined = [(name, value) for name, _, value in (option.partition("=") for option in self.args) if value]
        yield from credentials_in(
            [*self.env.items(), *self.headers.items(), ("url", self.url or ""), *options, *joined]
        )


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set. The archetype `coder` is always there."""

    models: ModelsConfig = ModelsConfig()
    context: ContextConfig = ContextConfig()
    archetypes: dict[Name, ArchetypeConfig] = field(default_factory=dict[str, ArchetypeConfig])
    budget: BudgetConfig = BudgetConfig()
    gates: tuple[GateConfig, ...] = ()
    tests: TestsConfig = TestsConfig()
    inspector: InspectorConfig = InspectorConfig()
    sandbox: SandboxConfig = SandboxConfig()
    mcp: dict[ServerName, McpConfig] = {}

    def __post_init__(self) -> None:
        force_setattr(self, "archetypes", {"coder": ArchetypeConfig(), **self.archetypes})

    def credentials(self) -> Iterator[str]:
        """Yield what of the settings is secret, `${NAME}` where it is a variable of the user's."""
        yield from credentials_in([("api_base", self.models.api_base or "")])
        for server in self.mcp.values():
            yield from server.credentials()

    def archetype(self, name: str) -> Archetype:
        """Return the archetype of that name. Raises `UsageError` when there is none."""
        if name not in self.archetypes:
            raise UsageError(f'no archetype "{visible(name)}"{did_you_mean(name, self.archetypes)}')
        found = self.archetypes[name]
        return Archetype(
            name,
            found.trust_level,
            found.tools,
            found.max_turns,
            found.instructions,
            found.model or self.models.default,
            found.max_corrections,
        )


def _told(key: Sequence[str | int], message: str) -> str:
    """Say where keys of providers belong to whoever wrote one into a file."""
    if message.startswith("unknown key") and re.search(r"(?i)api_?key|token$|secret", str(key[-1])):
        return "keys are read from variables only, as OPENAI_API_KEY; take it out of this file"
    return message


def configured(data: Mapping[str, Any]) -> Config:
    """Return what `data` sets. Raises msgspec's ValidationError at the first of its mistakes."""
    return convert(data, Config)


def mistakes(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the key and the message of everything in `data` that `Config` does not take."""
    found = [(key, _told(key, visible(message, one_line=True))) for key, message in typed.mistakes(data, Config)]
    if found:
        yield from found
        return
    names = [gate.name for gate in configured(data).gates]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("gates", index, "name"), f"two gates have the name {name}"
