"""A captured request as a question, and the parts of its cache key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pytest_fapo.capture.endpoints import is_streamed, model_of
from pytest_fapo.capture.redaction import Redactor

KEY_FORMAT = 2
"""Changes when requests get other keys than before. Format 1 did not tell the order of a body's keys."""

_VERSION_HEADERS = ("anthropic-version", "anthropic-beta", "openai-version", "openai-beta")

_CREDENTIAL_HEADERS = (
    *("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key"),
    "x-amz-security-token",
)

READ_HEADERS = frozenset([*_VERSION_HEADERS, *_CREDENTIAL_HEADERS])
"""The headers that `read_question` looks at."""

_CREDENTIAL_PARAMETERS = frozenset({"key", "token", "sig", "signature", "code", "subscription-key"})


@dataclass(frozen=True)
class Question:
    """One LLM request, without its credentials.

    `digest` is equal for requests that ask the identical question; the cache key is derived from it.
    """

    api: str
    method: str
    url: str
    body: Any
    """The parsed JSON body; None where it is not JSON."""
    digest: str
    secrets: tuple[str, ...] = field(repr=False)
    """Credentials that the request carries, to be kept out of the record."""
    content: bytes = field(default=b"", repr=False, compare=False)
    """The body as it is sent."""

    @property
    def model(self) -> str:
        return model_of(self.api, self.url, self.body)

    @property
    def path(self) -> str:
        """The path of its URL."""
        return urlsplit(self.url).path

    @property
    def streams(self) -> bool:
        """True if the answer is asked for as a stream of events."""
        return is_streamed(self.api, self.url, self.body)

    def key(self, occurrence: int, fingerprint: str = "", sample: str = "") -> str:
        """Return the cache key.

        Args:
            occurrence: which time one run asks this, 1 for the first.
            fingerprint: of the offline model that would answer, if one would.
            sample: names a sample of answers of its own; see `Recorder`.
        """
        parts = [self.digest, str(occurrence), fingerprint, *([sample] if sample else [])]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def read_question(api: str, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Question:
    """Take a request apart. `headers` is any mapping that ignores case."""
    clean_url, in_url = _without_credentials(url)
    secrets = list(in_url)
    for name in _CREDENTIAL_HEADERS:
        value = headers.get(name)
        if value:
            secrets.append(value.split(" ", 1)[-1])
    body, identity = _read_body(content)
    versions = [(name, value) for name in _VERSION_HEADERS if (value := headers.get(name))]
    text = json.dumps([KEY_FORMAT, method.upper(), clean_url, versions, identity])
    return Question(
        api=api,
        method=method.upper(),
        url=clean_url,
        body=body,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        secrets=tuple(secrets),
        content=content,
    )


def _read_body(content: bytes) -> tuple[Any, str]:
    """Return the body, None where it is not JSON, and what tells it from others.

    That is equal for bodies that differ in white space and escapes only. The order of keys tells them apart:
    models answer in the order of the schema that they are given. Where a key is twice, which of the two a
    server reads is its own affair, and bytes count.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if body is not None:
        with suppress(ValueError, RecursionError):
            identity = _COMPACT.encode(body)
            # Clients write so, and no key is lost then; to look at each pair takes several times as long.
            as_sent = identity if content.isascii() else _UNESCAPED.encode(body)
            if as_sent.encode() == content or not _has_repeated_key(content):
                return body, identity
    return body, hashlib.sha256(content).hexdigest()


_COMPACT = json.JSONEncoder(separators=(",", ":"))

_UNESCAPED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def _has_repeated_key(content: bytes) -> bool:
    repeated = False

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len({key for key, _ in pairs}) < len(pairs)

    json.loads(content, object_pairs_hook=look)
    return repeated


@lru_cache(maxsize=64)
def _without_credentials(url: str) -> tuple[str, tuple[str, ...]]:
    parts = urlsplit(url)
    secrets = [parts.password] if parts.password else []
    host = parts.netloc.rsplit("@", 1)[-1]
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not _is_credential(name)]
    secrets += [value for name, value in pairs if _is_credential(name)]
    query = parts.query if len(kept) == len(pairs) else urlencode(kept)
    return urlunsplit((parts.scheme, host, parts.path, query, "")), tuple(secrets)


def _is_credential(parameter: str) -> bool:
    lower = parameter.lower()
    # All that a signed URL of AWS or Google adds: another signature asks no other question.
    signed = lower.startswith(("x-amz-", "x-goog-"))
    return signed or lower in _CREDENTIAL_PARAMETERS or Redactor.names_credential(parameter)
