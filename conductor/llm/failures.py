"""What went wrong with a request, as one of our errors: one clear line, and whether trying again may help."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from conductor.errors import ConductorError, ModelError, TooLong, TransientModelError, UsageError
from conductor.llm.keys import provider_key
from conductor.llm.too_long import refused_window
from conductor.visible import visible
from conductor.withheld import hide

# Patterns as text: they are compiled by the first failure, which most runs never have.
# "litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached" -> "Rate limit reached"
_WRAPPING = r"^(?:(?:litellm\.)?\w*(?:Error|Timeout): )*(?:\w*Exception(?: [\w ]+)? -\s*)?(?:Error code: \d+ - )?"
_NO_KEY = r"(?i)missing credentials|api[_ ]key\b.*must be set|missing .{0,30}api[_ ]key|locate credentials"
_NO_PROTOCOL = r"(?i)empty or invalid response|invalid response object|received response - <"
_NO_QUOTA = r"insufficient_quota|exceeded your current quota"
_TRAILING = r"Traceback \(most|, Received response - |\. Check the reverse proxy|\nModel: |\nstack trace: "
_INNER_MESSAGE = r"""['"]message['"]: (?:'([^']*)'|"([^"]*)")"""
_UNTRUSTED = "has a certificate that cannot be trusted"
_REFUSES = "refuses connections: nothing listens there"
_CONNECT_FAILURES = {
    "certificate": _UNTRUSTED,
    "connection refused": _REFUSES,
    "name or service": "cannot be found: there is no such host, or no network",
    "nodename nor": "cannot be found: there is no such host, or no network",
    "name resolution": "cannot be found: there is no such host, or no network",
    "tunnel connection failed": "cannot be reached: the proxy does not let it through",
}
_LONGEST = 200
_HERE = r"(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?"
_ATTEMPTS_HERE = 3  # some seconds: a server of this machine that was not started does not start by itself
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-ms-request-id", "cf-ray")
_LATER = "Run again later: it goes on where it stopped."
_AS_IT_IS = "The same request will fail again: something about the model or the conversation must change."
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})


class Endpoint(Struct, frozen=True):
    """Whom a request was sent to, as messages name it; `variable` is where the provider's key is read from."""

    model: str
    host: str
    variable: str = ""

    @classmethod
    def of(cls, name: str, base: str) -> Endpoint:
        """Return where requests to the model called `name` go; `base` is "" for the provider's own address."""
        key = provider_key(name)
        return cls(name, urlsplit(base).netloc.rpartition("@")[2] or key.provider or name, key.variable)


def explain(error: Exception, endpoint: Endpoint) -> ConductorError:
    """Return the error of ours that stands for `error`, whatever a provider's library raised.

    Told apart by the HTTP status and the causes, for the libraries' class names differ: refused credentials and
    requests are final, an address or model that does not exist is a mistake in the configuration, the rest may pass.
    """
    explained = _explained(error, endpoint)
    explained.about |= about(endpoint, headers_of(error))
    return explained


def about(endpoint: Endpoint, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the model and the provider's id of a request, where the answer's headers (lower case) have one."""
    found = next((headers[name] for name in _REQUEST_IDS if headers.get(name)), "")
    request = {"request": visible(found[:_LONGEST], one_line=True)} if found else {}
    return {"model": endpoint.model, **request}


def _explained(error: Exception, endpoint: Endpoint) -> ConductorError:
    unreachable = _unreachable(error)
    if unreachable:
        said = f"{endpoint.host} {unreachable}"
        if unreachable == _REFUSES and re.fullmatch(_HERE, endpoint.host):
            hint = "Start the server, or correct api_base, then run again: it goes on where it stopped."
            return TransientModelError(said, hint=hint, attempts=_ATTEMPTS_HERE)
        hint = f"Check the network, {endpoint.host} and api_base, then run again: it goes on where it stopped."
        return ModelError(said, hint=hint) if unreachable == _UNTRUSTED else TransientModelError(said, hint=hint)
    status, said = _status(error), short_message(error)
    if (window := refused_window(" ".join(map(str, _causes(error))))) is not None:
        return TooLong(f"the request is too long for {endpoint.model} at {endpoint.host}: {said}", window=window)
    return _passing(error, status, said, endpoint) or _final(error, status, said, endpoint)


def _status(error: Exception) -> int | None:
    """Return the HTTP status; None for an error inside a 200, which may have a code of any kind; 0 for a bug."""
    status: object = getattr(error, "status_code", 0)
    return int(status) if isinstance(status, int) or (isinstance(status, str) and status.isdecimal()) else None


def _passing(error: Exception, status: int | None, said: str, endpoint: Endpoint) -> TransientModelError | None:
    if re.search(_NO_KEY, said) or _is_out_of_quota(error):
        return None
    if _is_no_completion(error):
        return unusable(f"the answer is no completion: {said}", endpoint)
    if status is None:
        return unusable(f"an error instead of an answer: {said}", endpoint)
    if status in _TRANSIENT_STATUS or status >= 500:
        wait = retry_after(headers_of(error))
        return TransientModelError(f"{status} from {endpoint.host}: {said}", hint=_LATER, retry_after=wait)
    return None


def _final(error: Exception, status: int | None, said: str, endpoint: Endpoint) -> ConductorError:
    if re.search(_NO_KEY, said):
        return missing_key(endpoint)
    if status in {401, 403}:
        return ModelError(f"{endpoint.host} refused the key for {endpoint.model}: {said}", hint=key_hint(endpoint))
    if status == 404:
        return UsageError(
            f"{endpoint.host} does not know the model {endpoint.model}: {said}",
            hint="Correct the model's name or api_base in the [models] table of conductor.toml.",
        )
    if _is_out_of_quota(error):
        return ModelError(f"the quota at {endpoint.host} is used up: {said}", hint="Check the plan and the billing.")
    return ModelError(f"{status or 'error'} from {endpoint.host}: {said}", hint=_AS_IT_IS)


def missing_key(endpoint: Endpoint) -> ModelError:
    """Return the error for a request that was not sent because its provider has no key."""
    error = ModelError(f"there is no key for {endpoint.model}", hint=key_hint(endpoint))
    error.about["model"] = endpoint.model
    return error


def unusable(what: str, endpoint: Endpoint) -> TransientModelError:
    """Return the error for an answer that arrived but is none: cut off, empty, or not of the protocol."""
    error = TransientModelError(f"{what} ({endpoint.model} at {endpoint.host})", hint=_LATER)
    error.about["model"] = endpoint.model
    return error


def key_hint(endpoint: Endpoint) -> str:
    """Return the sentence that says how to give a key."""
    where = (
        f"the environment variable {endpoint.variable}" if endpoint.variable else "the provider's environment variable"
    )
    return f"Set {where} to a valid key."


def short_message(error: BaseException) -> str:
    """Return what the provider said, on one line, at most 200 characters, safe to show."""
    text = next((text for text in map(_bare_message, _causes(error)) if text), "no message")
    line = visible(hide(" ".join(text.split())), one_line=True)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _bare_message(error: BaseException) -> str:
    text = str(getattr(error, "message", "") or error).strip()
    inner = re.search(_INNER_MESSAGE, text)
    if inner:
        text = inner[1] or inner[2] or ""
    if "<html" in text.lower() or "<!doctype" in text.lower():
        return "a web page"
    return re.split(_TRAILING, re.sub(_WRAPPING, "", text), maxsplit=1)[0].strip()


def headers_of(error: BaseException) -> Mapping[str, str]:
    """Return the headers of the answer behind `error`, lower case; empty when there was none."""
    response = getattr(error, "response", None)
    found: Any = getattr(response, "headers", None) or getattr(error, "litellm_response_headers", None) or {}
    return {str(name).lower(): str(value) for name, value in dict(found).items()}


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return how many seconds a provider asks to wait, from `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).

    `headers` has lower-case names. A time in the past is 0; anything unreadable is None.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII):
        return max(0.0, float(text))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def _unreachable(error: BaseException) -> str:
    """Say how there was no whole answer, judged by the causes; "" when there was one."""
    causes = _causes(error)
    names = {type(cause).__name__ for cause in causes}
    text = " ".join(map(str, causes)).lower()
    connecting = bool(names & {"ConnectError", "SSLError", "SSLCertVerificationError", "ClientConnectorError"})
    for sign, meaning in _CONNECT_FAILURES.items():
        if connecting and sign in text:
            return meaning
    if names & {"ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "APITimeoutError", "Timeout"}:
        return "did not answer in time"
    if connecting or names & {"ReadError", "WriteError", "RemoteProtocolError", "IncompleteRead"}:
        return "closed the connection before the answer was complete"
    return ""


def _is_out_of_quota(error: BaseException) -> bool:
    return any(re.search(_NO_QUOTA, str(cause)) for cause in _causes(error))


def _is_no_completion(error: BaseException) -> bool:
    """Say whether an answer came that could not be read; litellm reports that with a status of its own, 500."""
    causes = _causes(error)
    return any(isinstance(cause, json.JSONDecodeError) or re.search(_NO_PROTOCOL, str(cause)) for cause in causes)


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
