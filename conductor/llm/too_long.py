"""What servers say when a request does not fit the window of their model: each says it in words of its own."""

from __future__ import annotations

import re

# Patterns as text: they are compiled by the first refusal, which most runs never have. Seen at OpenAI, Azure, vLLM,
# OpenRouter, DeepSeek, xAI ("maximum context length is"), llama.cpp ("exceeds the available context size"), Anthropic
# ("prompt is too long: 9 tokens > 8 maximum"), Gemini, Mistral, Bedrock, Together, Cohere, Moonshot, LM Studio.
_SAID = (
    r"context_length_exceeded|exceed_context_size|ContextWindowExceeded"
    r"|maximum (?:context|prompt|model) length"
    r"|exceeds? (?:the |this )?(?:model's |available |maximum |model )*(?:context|prompt)\b"
    r"|exceeds? (?:the )?(?:maximum number of tokens|model token limit|context)|exceeded model token limit"
    r"|context (?:size|length|window|limit) (?:has been |was )?exceeded|context the overflows"
    r"|(?:prompt|input) is too long|too large for model with \d+|number of tokens in the prompt cannot exceed"
    r"|max_new_tokens\W* must be <=|request too large for .{1,200}\bLimit \d+, Requested \d+"
)
# The window, most telling first. What stands before ">" is what was asked for.
_WINDOW = (
    r"> ?(\d+)",
    r"maximum (?:context|prompt|model) length (?:is|of) (?:only )?(\d+)",
    r"n_ctx\W{1,4}(\d+)",
    r"(?:context (?:size|length|window)|tokens allowed|model token limit|cannot exceed)(?: of)?(?: only)?\W{1,3}(\d+)",
    r"model with (\d+)|must be <= ?(\d+)|Limit (\d+), Requested",
)
_SMALLEST = 256


def refused_window(said: str) -> int | None:
    """Return the window that a refusal names, 0 where it names none, and None for what is no such refusal."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", said)
    if not re.search(_SAID, text, re.IGNORECASE | re.DOTALL):
        return None
    for pattern in _WINDOW:
        if found := re.search(pattern, text, re.IGNORECASE):
            tokens = int(next(filter(None, found.groups()))[:12])
            return tokens if tokens >= _SMALLEST else 0
    return 0
