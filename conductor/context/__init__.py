"""What a worker is sent: how its conversation opens, how it grows, and what of it fits a model's window."""

from conductor.context.opening import MAX_TARGET_CHARACTERS, estimate_tokens, opening
from conductor.context.worker import Failure, OpenCall, WorkerContext

__all__ = ["MAX_TARGET_CHARACTERS", "Failure", "OpenCall", "WorkerContext", "estimate_tokens", "opening"]
