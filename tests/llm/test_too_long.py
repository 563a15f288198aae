"""What servers say of a request that is too long, and other mistakes that only sound alike."""

from __future__ import annotations

import pytest

from conductor.errors import TooLong
from conductor.llm.failures import Endpoint, explain
from conductor.llm.too_long import refused_window

SAID = [
    ("maximum context length is 8192 tokens. However, you requested 9000 tokens (8000 in the messages, ...)", 8_192),
    ("maximum context length is 32,768 tokens. However, you requested about 40000", 32_768),
    ("maximum prompt length is 131072 but the request contains 140000 tokens", 131_072),
    ("'max_tokens' is too large: 9000. This model's maximum context length is 8192 tokens", 8_192),
    ("the prompt (length 9000) is longer than the maximum model length of 8192", 8_192),
    ("Input length (9000) exceeds model's maximum context length (8192).", 8_192),
    ("{'error': {'message': 'too long', 'code': 'context_length_exceeded'}}", 0),
    ("{'message': 'no', 'type': 'exceed_context_size_error', 'n_prompt_tokens': 9001, 'n_ctx': 8192}", 8_192),
    ("request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it", 8_192),
    ("Context size has been exceeded.", 0),
    ("prompt is too long: 210000 tokens > 200000 maximum", 200_000),
    ("input length and `max_tokens` exceed context limit: 197190 + 21333 > 200000", 200_000),
    ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576),
    ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32_768),
    ("Input is too long for requested model.", 0),
    ("`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens", 4_097),
    ("the first 5000 tokens when context the overflows. ... context length of only 4096 tokens", 4_096),
    ("Your request exceeded model token limit: 8192 (requested: 9000)", 8_192),
    ("Your input exceeds the context window of this model.", 0),
    ("total number of tokens in the prompt cannot exceed 4081 - received 4292", 4_081),
    ("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000", 6_000),
    ("input length exceeds the context length", 0),
    ("Rate limit reached for requests", None),
    ("Too many tokens, please wait before trying again.", None),
    ("max_tokens is too large: 100000. This model supports at most 16384 completion tokens", None),
    ("You exceeded your current quota", None),
    ("bad parameter", None),
]


@pytest.mark.parametrize(("said", "window"), SAID)
def test_the_window_is_read_from_what_servers_say(said: str, window: int | None) -> None:
    assert refused_window(said) == window


@pytest.mark.parametrize("status", [400, 413, 422, 429, 500, None])
def test_it_is_an_error_of_its_own_whatever_its_status(status: int | None) -> None:
    class Refusal(Exception):
        status_code = status

    said = Refusal("request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it")
    found = explain(said, Endpoint("openai/local", "127.0.0.1:8080"))
    assert isinstance(found, TooLong)
    assert found.window == 8_192
    assert "openai/local at 127.0.0.1:8080" in str(found)
