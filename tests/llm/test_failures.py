from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.errors import ModelError, TransientModelError, UsageError
from conductor.llm.failures import Endpoint, explain, retry_after, short_message
from conductor.visible import is_suspect

HERE = Endpoint("openai/gpt-5-mini", "api.example.org", "OPENAI_API_KEY")
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


class ApiError(Exception):
    """What providers' libraries raise has this shape."""

    def __init__(self, message: str, status_code: int | str | None) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code


class ConnectError(Exception):
    """Named as httpx names it; causes are told apart by name, so that no library need be loaded."""


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("12", 12.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 14:00:30 +0200", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 12:00:30", 30.0),
        ("soon", None),
        ("Thu, 01 Jan 99999999999999999999 12:00:30 GMT", None),
        ("", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(header: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": header}, now=NOW) == seconds
    assert retry_after({}, now=NOW) is None


@given(st.text())
def test_no_header_can_break_it(text: str) -> None:
    assert (retry_after({"retry-after": text}, now=NOW) or 0.0) >= 0.0


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("litellm.RateLimitError: RateLimitError: OpenAIException - Slow down", "Slow down"),
        ("litellm.BadRequestError: OpenAIException - Error code: 400 - {'error': {'message': 'No.'}}", "No."),
        ("litellm.Timeout: APITimeoutError - took too long", "APITimeoutError - took too long"),
        ("OpenAIException -", "no message"),
        ("<!DOCTYPE html><html>" + "x" * 9000, "a web page"),
        ("one\ntwo\n\nthree", "one two three"),
        ("Bad. Traceback (most recent call last):\n File", "Bad."),
    ],
)
def test_only_the_providers_own_words_are_kept(raised: str, said: str) -> None:
    assert short_message(ApiError(raised, 400)) == said


@given(st.text())
def test_a_message_is_one_short_line_safe_to_show(text: str) -> None:
    line = short_message(ApiError(text, 400))
    assert 0 < len(line) <= 200
    assert "\n" not in line and not is_suspect(line)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, TransientModelError) for status in (408, 409, 425, 429, 500, 502, 503, 504, 529)),
        *((status, ModelError) for status in (400, 401, 403, 413, 422)),
        (404, UsageError),
        *((status, TransientModelError) for status in (None, "overloaded", "502")),
        ("401", ModelError),
    ],
)
def test_the_status_decides(status: int | str | None, kind: type[Exception]) -> None:
    error = explain(ApiError("said so", status), HERE)
    assert type(error) is kind
    assert "said so" in str(error) and "api.example.org" in str(error)
    assert error.hint


@pytest.mark.parametrize(
    ("host", "attempts"),
    [
        ("127.0.0.1:11434", 3),
        ("localhost:8080", 3),
        ("localhost", 3),
        ("[::1]:8080", 3),
        ("192.168.0.7:8080", None),
        ("localhost.example.org", None),
        ("api.example.org", None),
    ],
)
def test_nothing_listens_on_this_machine_is_certain_sooner(host: str, attempts: int | None) -> None:
    error = explain(ConnectError("[Errno 111] Connection refused"), Endpoint("openai/m", host))
    assert isinstance(error, TransientModelError) and error.attempts == attempts
    assert ("Start the server" in error.hint) is (attempts == 3)
    reset = explain(ConnectError("[Errno 104] reset by peer"), Endpoint("openai/m", host))
    assert isinstance(reset, TransientModelError) and reset.attempts is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[Errno 111] Connection refused", "refuses connections"),
        ("[Errno -2] Name or service not known", "cannot be found"),
        ("[Errno 8] nodename nor servname provided, or not known", "cannot be found"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", "certificate"),
        ("something new", "closed the connection"),
    ],
)
def test_the_first_cause_decides_where_there_was_no_answer(text: str, says: str) -> None:
    outer = ApiError("litellm.InternalServerError: OpenAIException - Connection error.", 500)
    outer.__cause__ = ConnectError(text)
    error = explain(outer, HERE)
    assert str(error).startswith("api.example.org ") and says in str(error)
    assert isinstance(error, TransientModelError) is (says != "certificate")


def test_a_bug_of_ours_is_no_bad_weather() -> None:
    assert not isinstance(explain(AttributeError("no such thing"), HERE), TransientModelError)
