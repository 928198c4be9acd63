"""Embed data in a page: as JSON if the page needs it at once, compressed if it is read on demand."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import Any

_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}

NAME = 300
"""Characters of an id, a step or a tag; longer ones are cut."""

_LEVEL = 6

_ROOM = 5  # a whole value may have so many times the characters that one text in it may have


def script_json(value: Any) -> str:
    """`value` as JSON in which no character means anything to HTML or starts a new line of JavaScript."""
    return _dumps(value).translate(_ESCAPES)


def packed(value: Any) -> str:
    """`value` as JSON, compressed, in base64; the page unpacks it when it is asked for."""
    return base64.b64encode(gzip.compress(_dumps(value).encode(), _LEVEL, mtime=0)).decode("ascii")


def content_hash(text: str) -> str:
    """Return the name by which a Content-Security-Policy allows exactly this script or style and no other."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def clipped(value: Any, limit: int) -> Any:
    """`value` with every text in it cut after `limit` characters, and it says so.

    Args:
        value: made of JSON's own types.
        limit: characters; a value that is still much too long as a whole becomes text, and is cut too.
    """
    cut = _cut_texts(value, limit)
    if isinstance(cut, str) or cut is None:
        return cut
    text = json.dumps(cut, ensure_ascii=False)
    return cut if len(text) <= _ROOM * limit else clipped_text(text, limit)


def clipped_text(text: str, limit: int) -> str:
    """`text` as it is, or its beginning and how much is not shown."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def _cut_texts(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return clipped_text(value, limit)
    if isinstance(value, list):
        return [_cut_texts(each, limit) for each in value]
    if isinstance(value, dict):
        return {clipped_text(str(key), limit): _cut_texts(each, limit) for key, each in value.items()}
    return value


def _dumps(value: Any) -> str:
    """Lone surrogates, which UTF-8 has no bytes for, are escaped like all that is not ASCII."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False, default=str)
