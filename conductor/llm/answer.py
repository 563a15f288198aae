"""What an answer is made of while it is read, and the completion it becomes: the same whatever adapter read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from conductor.llm.base import OnText
from conductor.llm.failures import Endpoint, unusable
from conductor.llm.wire import RawCall, conversation_size, read_calls, storable
from conductor.messages import Completion, Message, Usage

_MOST_REPEATED = 100
_LOOK_EVERY = 1_000  # characters
_TAIL = 250
_FEW_LETTERS = 8  # a rule of dashes, a table of zeros

Price = Callable[[int, int, int], float]
"""From tokens read, tokens written, and how many of those read were cached, to dollars."""


class Answer(Struct):
    """An answer in the words of the protocol. `finish_reason` is "" until one was really received.

    Of its input tokens the provider had `cached_tokens`, and put others, which cost more, into its cache.
    """

    text: str = ""
    calls: list[RawCall] = field(default_factory=list[RawCall])
    finish_reason: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    newly_cached_tokens: int = 0


class Circles:
    """Notices that what grows goes in circles: its last characters stand in it `times` times, word for word.

    Small models do so until their window is full, with all they said since the last time as one lap.
    """

    def __init__(self, times: int) -> None:
        self._times = times
        self._unseen = 0

    def closed(self, pieces: list[str], new: int) -> int:
        """Return where the first lap ends once there were `times` of them, else 0; `new` characters were added."""
        self._unseen += new
        if self._unseen < _LOOK_EVERY:
            return 0
        self._unseen = 0
        pieces[:] = ["".join(pieces)]
        text, tail = pieces[0], pieces[0][-_TAIL:]
        if len(text) < self._times * _TAIL or len(set(tail)) < _FEW_LETTERS or text.count(tail) < self._times:
            return 0
        return text.index(tail) + _TAIL


class _GrowingCall(Struct):
    index: int
    call_id: str = ""
    tool: str = ""
    pieces: list[str] = field(default_factory=list[str])
    circles: Circles = field(default_factory=lambda: Circles(8))


class GrowingText:
    """The text of a stream, each piece told to `on_text` as it comes.

    A model that has lost itself says the same for ever: after as many pieces as litellm takes for a sign of it, `add`
    returns False. Pieces of one or two characters do not count; a line of dashes may be long.
    """

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self._pieces: list[str] = []
        self._last, self._repeated = "", 0
        self._circles = Circles(5)
        self.lap = 0  # where the text begins to be said once more, if it goes in circles

    def add(self, piece: str) -> bool:
        """Add a piece; False when the model only repeats itself."""
        same = len(piece) > 2 and piece == self._last
        self._repeated = self._repeated + 1 if same else 1
        self._pieces.append(piece)
        self._last = piece
        self.lap = self.lap or self._circles.closed(self._pieces, len(piece))
        if self._on_text:
            self._on_text(piece)
        return self._repeated < _MOST_REPEATED

    def whole(self) -> str:
        """Return the text as far as it came, of one that goes in circles its first lap."""
        return "".join(self._pieces)[: self.lap or None]


class GrowingCalls:
    """The tool calls of a stream, put together from their pieces."""

    def __init__(self) -> None:
        self._calls: list[_GrowingCall] = []
        self.lap = 0  # where the arguments of the last one begin to be said once more, if they go in circles

    def add(self, index: int, call_id: str, tool: str, arguments: object) -> None:
        """Add a piece to the call it belongs to: the last of its index, unless it brings an id that call does not have.

        Some servers give every call of a turn the index 0, and some send arguments as an object.
        """
        call = next((call for call in reversed(self._calls) if call.index == index), None)
        if call is None or (call_id and call.call_id and call_id != call.call_id):
            call = _GrowingCall(index)
            self._calls.append(call)
        call.call_id = call.call_id or call_id
        call.tool = call.tool or tool
        if arguments is not None:
            piece = arguments if isinstance(arguments, str) else json.dumps(arguments)
            call.pieces.append(piece)
            self.lap = self.lap or call.circles.closed(call.pieces, len(piece))

    def whole(self) -> list[RawCall]:
        """Return the calls as far as they came."""
        return [RawCall(call.call_id, call.tool, "".join(call.pieces)) for call in self._calls]


def completion_of(
    answer: Answer, messages: Sequence[Message], taken: frozenset[str], endpoint: Endpoint, price: Price
) -> Completion:
    """Return the completion that `answer` to `messages` is. Raises `TransientModelError` when it has no end.

    `taken` are the ids of the conversation's calls. Tokens are the provider's count, else characters / 4.
    """
    if not answer.finish_reason:
        arrived = answer.text or answer.calls
        raise unusable("the answer was cut off before its end" if arrived else "no answer came", endpoint)
    cut_off = answer.finish_reason == "length"
    calls = read_calls(answer.calls, taken, cut_off=cut_off)
    read, written, cached = answer.input_tokens, answer.output_tokens, answer.cached_tokens
    if not read and not written:
        said = len(answer.text) + sum(len(str(call.arguments)) for call in answer.calls)
        read, written = conversation_size(messages) // 4, said // 4
    return Completion(
        text=storable(answer.text),
        tool_calls=calls,
        finish_reason="length" if cut_off else "tool_calls" if calls else "stop",
        usage=Usage(read, written, cached, price(read, written, cached)),
        model=endpoint.model,
    )
