"""What a worker is sent: how its conversation opens, how it grows, and what of it fits a model's window."""

from conductor.context.compressor import Compressor
from conductor.context.fit import fits, put_in_short, room_for_views
from conductor.context.honesty import sent_back
from conductor.context.loops import stuck, unusable
from conductor.context.meter import Meter
from conductor.context.opening import MAX_TARGET_CHARACTERS, estimate_tokens, messages_of, opening
from conductor.context.seen import hunks_of
from conductor.context.worker import Failure, OpenCall, WorkerContext

__all__ = [
    "MAX_TARGET_CHARACTERS",
    "Compressor",
    "Failure",
    "Meter",
    "OpenCall",
    "WorkerContext",
    "estimate_tokens",
    "fits",
    "hunks_of",
    "messages_of",
    "opening",
    "put_in_short",
    "room_for_views",
    "sent_back",
    "stuck",
    "unusable",
]
