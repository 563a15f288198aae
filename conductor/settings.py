"""What can be set, and what is wrong with settings that people wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from conductor.errors import UsageError
from conductor.models import Archetype, TrustLevel
from conductor.toml_source import Key, did_you_mean
from conductor.visible import is_suspect, visible

_CODER = "You are a careful programmer. You read before you write, change as little as needed, and check your work."
_TOOLS = ("read_file", "list_files", "search", "write_file", "edit_file", "run_shell")
_SERVER = r"[A-Za-z0-9](?:[A-Za-z0-9]|[_-](?!_)){0,31}"
_SERVER_TOOL = re.compile(rf"mcp:{_SERVER}(/.{{1,128}})?")
_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "missing": "missing",
        "model_type": "must be a table",
        "dict_type": "must be a table",
        "tuple_type": "must be an array",
        "string_type": "must be a string",
        "string_pattern_mismatch": "must be 1 to 64 letters, digits, '.', '_' or '-', first a letter or digit",
    }
)


def _plain(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if is_suspect(text):
        raise ValueError("has characters that cannot be seen")
    return text


def _web_address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError('must begin with "http://" or "https://"')
    return text


def _known_tool(name: str) -> str:
    if name.startswith("mcp:"):
        if not _SERVER_TOOL.fullmatch(name):
            raise ValueError('tools of a server are named "mcp:SERVER" or "mcp:SERVER/TOOL"')
        return name
    from conductor.tools.registry import builtin_tools

    if name not in (known := builtin_tools()):
        raise ValueError(f'"{name}" is no tool{did_you_mean(name, known)}')
    return name


def _server_name(name: str) -> str:
    if not re.fullmatch(_SERVER, name):
        raise ValueError("the name of a server is 1 to 32 letters, digits, '_' or '-', first a letter or digit")
    return name


def _variable(name: str) -> str:
    if not (name.isascii() and name.isidentifier()):
        raise ValueError("must be the name of a variable")
    return name


def _place(text: str) -> str:
    if not text.startswith(("/", "~/")):
        raise ValueError('must begin with "/" or "~/"')
    return text


Text = Annotated[str, AfterValidator(_plain)]
Amount = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, gt=0)]
Folder = Annotated[Text, AfterValidator(_place)]
VariableName = Annotated[str, AfterValidator(_variable)]
ToolName = Annotated[str, AfterValidator(_known_tool)]
ServerName = Annotated[str, AfterValidator(_server_name)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelsConfig(_Section):
    """Which models work: names as litellm knows them, or `scripted:FILE.json`."""

    default: Text = "openai/gpt-5-mini"
    default_cheap: Text = "openai/gpt-5-nano"
    api_base: Annotated[Text, AfterValidator(_web_address)] | None = None
    stream: Annotated[bool, Field(strict=True)] | None = None
    adapter: Literal["direct", "litellm"] = "direct"
    cache: Literal["off", "read", "write", "refresh"] = "off"
    timeout_s: Amount = 600.0
    max_output_tokens: Count | None = None
    protocol: Literal["auto", "native", "text"] = "auto"
    large: Text | None = None
    context_window: Annotated[int, Field(strict=True, ge=1024)] | None = None
    windows: dict[Text, Annotated[int, Field(strict=True, ge=1024)]] = {}


class LimitConfig(_Section):
    """What may be used; what is not set is not limited."""

    usd: Amount | None = None
    tokens: Count | None = None
    minutes: Amount | None = None


class ArchetypeConfig(_Section):
    """One kind of worker."""

    trust_level: TrustLevel = TrustLevel.STEP
    tools: tuple[ToolName, ...] = _TOOLS
    max_turns: Count = 30
    max_corrections: Count = 3
    instructions: str = _CODER
    model: Text | None = None
    budget: LimitConfig = LimitConfig()


class BudgetConfig(LimitConfig):
    """What one run may use, and each of its tickets."""

    ticket: LimitConfig = LimitConfig()


def _not_verify(name: str) -> str:
    if name == "verify":
        raise ValueError('"verify" is the name of the tickets\' own command')
    return name


class GateConfig(_Section):
    """A command that says whether work is good: after each changing call, or when a ticket says it is done."""

    name: Annotated[Name, AfterValidator(_not_verify)]
    command: Text
    files: tuple[Text, ...] = ()
    when: Literal["call", "ticket"] = "ticket"
    parser: Literal["auto", "ruff", "pyright", "pytest", "none"] = "auto"
    timeout_s: Annotated[float, Field(gt=0, le=7200)] = 900.0


class TestsConfig(_Section):
    """What workers may not weaken; both files' patterns hold."""

    frozen: tuple[Text, ...] = ()


class SandboxConfig(_Section):
    """What commands may do; `auto` takes the best mechanism that works on the machine."""

    mode: Literal["auto", "bubblewrap", "landlock", "seatbelt", "none"] = "auto"
    network: Annotated[bool, Field(strict=True)] = False
    writable: tuple[Folder, ...] = ()
    readable: tuple[Folder, ...] = ()
    environment: tuple[VariableName, ...] = ()
    processes: Count = 1024
    memory_mb: Count = 4096


class McpConfig(_Section):
    """A server of tools: a command that is started, or an address. `${NAME}` in a value is the user's variable."""

    command: Text | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    url: Annotated[Text, AfterValidator(_web_address)] | None = None
    headers: dict[str, str] = {}
    timeout_s: Amount = 60.0

    @model_validator(mode="after")
    def _one_way(self) -> McpConfig:
        if (self.command is None) == (self.url is None):
            raise ValueError("needs either a command or a url")
        if self.url and (self.args or self.env):
            raise ValueError("args and env go with a command, not with a url")
        if self.command and self.headers:
            raise ValueError("headers go with a url, not with a command")
        return self


class Config(_Section):
    """Everything that can be set. The archetype `coder` is always there."""

    models: ModelsConfig = ModelsConfig()
    archetypes: dict[Name, ArchetypeConfig] = Field(default_factory=lambda: {"coder": ArchetypeConfig()})
    budget: BudgetConfig = BudgetConfig()
    gates: tuple[GateConfig, ...] = ()
    tests: TestsConfig = TestsConfig()
    sandbox: SandboxConfig = SandboxConfig()
    mcp: dict[ServerName, McpConfig] = {}

    @field_validator("archetypes")
    @classmethod
    def _with_coder(cls, given: dict[str, ArchetypeConfig]) -> dict[str, ArchetypeConfig]:
        return {"coder": ArchetypeConfig(), **given}

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


def mistakes(data: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """Yield the key and the message of everything in `data` that `Config` does not take."""
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False):
            key = tuple(part for part in details["loc"] if part != "[key]")
            yield key, _in_plain_words(details["type"], details["msg"], key)
        return
    names = [gate.name for gate in config.gates]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("gates", index, "name"), f"two gates have the name {name}"


def _in_plain_words(kind: str, message: str, key: Key) -> str:
    match kind:
        case "extra_forbidden":
            return f"unknown key{did_you_mean(str(key[-1]), _known_keys(key))}"
        case "value_error":
            return visible(message.removeprefix("Value error, "), one_line=True)
        case _:
            return _MESSAGES.get(kind) or message.replace("Input should be", "must be")


def _known_keys(key: Key) -> tuple[str, ...]:
    sections: dict[str | int, type[_Section]] = {
        "models": ModelsConfig,
        "archetypes": ArchetypeConfig,
        "budget": BudgetConfig,
        "gates": GateConfig,
        "tests": TestsConfig,
        "sandbox": SandboxConfig,
        "mcp": McpConfig,
    }
    if {"budget", "ticket"} & set(key[1:-1]):
        return tuple(LimitConfig.model_fields)
    return tuple((Config if len(key) == 1 else sections[key[0]]).model_fields)
