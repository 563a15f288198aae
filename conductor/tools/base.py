"""What a tool is: a function that turns checked arguments into an `Action`, which is shown first and run later.

Preparing an action has no effect, so the same object serves the clutch (its preview) and the engine (its `run`), and
what was shown is what runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol, get_type_hints

from msgspec import NODEFAULT, Struct, convert, defstruct
from msgspec.structs import asdict

from conductor.errors import Refused
from conductor.messages import Effect, ToolResult, ToolSpec
from conductor.tools.workspace import Workspace
from conductor.typed import Mistake, mistakes, schema


class FileChange(Struct, frozen=True):
    """A file's content before and after; None stands for "no such file". `path` is relative to the project."""

    path: str
    before: bytes | None
    after: bytes | None


class Action(Struct, frozen=True):
    """A call that passed its checks and has not run. `text` is everything a human needs to see of it.

    `run` has the effect and returns the result; for a file change it raises `TargetChanged` when the file is no longer
    what `change.before` says, and any call of a file raises it when `target` (device and inode) is not what it was.
    `inside` is False when it may reach beyond the project.
    `sandbox` says what holds a command, "" where the call starts none. With `must_ask` no trust level and no rule may
    answer for the human.
    """

    kind: Literal["diff", "command", "text"]
    title: str
    text: str
    run: Callable[[], ToolResult]
    path: str = ""
    target: str = ""
    change: FileChange | None = None
    inside: bool = True
    sandbox: str = ""
    notices: tuple[str, ...] = ()
    must_ask: bool = False


class Tool(Protocol):
    """What a worker may call."""

    @property
    def name(self) -> str:
        """The name models call it by."""
        ...

    @property
    def effect(self) -> Effect:
        """What running a call twice would mean."""
        ...

    @property
    def spec(self) -> ToolSpec:
        """The tool as models are told of it."""
        ...

    def prepare(self, workspace: Workspace, arguments: Mapping[str, Any]) -> Action:
        """Check the arguments and return what would happen. Raises `Refused`, in words the worker can act on."""
        ...


class FunctionTool(Struct, frozen=True, dict=True):
    """A tool by its function: `function(workspace, **arguments) -> Action`, arguments checked by its annotations."""

    name: str
    effect: Effect
    function: Callable[..., Action]

    @property
    def spec(self) -> ToolSpec:
        """The tool as models are told of it, from the function's signature and docstring."""
        return self._spec

    @cached_property
    def _spec(self) -> ToolSpec:
        return ToolSpec(self.name, inspect.cleandoc(self.function.__doc__ or ""), schema(self._arguments), self.effect)

    def prepare(self, workspace: Workspace, arguments: Mapping[str, Any]) -> Action:
        """Check the arguments and return what would happen. Raises `Refused`, in words the worker can act on."""
        if wrong := list(mistakes(arguments, self._arguments)):
            raise Refused(self._said(wrong))
        return self.function(workspace, **asdict(convert(dict(arguments), self._arguments)))

    @cached_property
    def _arguments(self) -> type[Struct]:
        hints = get_type_hints(self.function, include_extras=True)
        parameters = list(inspect.signature(self.function).parameters.items())[1:]
        fields = [
            (name, hints[name], NODEFAULT if parameter.default is inspect.Parameter.empty else parameter.default)
            for name, parameter in parameters
        ]
        return defstruct(self.name, fields, forbid_unknown_fields=True)

    def _said(self, wrong: Sequence[Mistake]) -> str:
        lines = [f"{'.'.join(map(str, at)) or 'arguments'}: {message}" for at, message in wrong]
        allowed = ", ".join(self._arguments.__struct_fields__)
        return f"{self.name}: the arguments are not right. {'; '.join(lines)}. {self.name} takes: {allowed}."


def tool(effect: Effect) -> Callable[[Callable[..., Action]], FunctionTool]:
    """Make a tool of a function; its name, parameters and docstring are what the worker is told."""

    def decorate(function: Callable[..., Action]) -> FunctionTool:
        return FunctionTool(function.__name__, effect, function)

    return decorate
