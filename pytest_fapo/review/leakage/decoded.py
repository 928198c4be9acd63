"""A text as its reader would decode it: what is written backwards, in base64 or by look-alike letters."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,6}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :,]?){6,}")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{3}))")
_NUMBERS = re.compile(r"(?:\b\d{2,3}\b[ ,;]*){6,}")
_LIKE = str.maketrans(
    "асеорхуіѕјԁһӏпгтквмАВЕКМНОРСТХІЅЈαορνικτγεΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aceopxyisjdhlnrtkbmABEKMHOPCTXISJaopviktyeABEZHIKMNOPTYX",
)
_LEET = str.maketrans("0134578@$", "oleastbas")
_LONGEST = 40_000


def decoded(text: str) -> Iterator[str]:
    """Other readings of `text`, those that differ from it; a text without a code gives few or none."""
    text = text[:_LONGEST]
    seen = {text}
    for reading in _READINGS:
        found = reading(text)
        if found.strip() and found not in seen:
            seen.add(found)
            yield found


def _tokens(text: str, pattern: re.Pattern[str], decode: Callable[[str], bytes]) -> str:
    """What the runs of a code's letters hold, as far as it is text; a line each, and all of it in one."""
    found = []
    for match in pattern.finditer(text):
        try:
            plain = decode(match[0]).decode("utf-8")
        except (ValueError, binascii.Error):
            continue
        if len(plain) > 3 and sum(map(str.isprintable, plain)) >= 0.9 * len(plain):
            found.append(plain)
    return "\n".join([*found, " ".join(found)]) if found else ""


def _base64(token: str) -> bytes:
    bare = token.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(bare + "=" * (-len(bare) % 4))


def _base32(token: str) -> bytes:
    bare = token.rstrip("=").upper()
    return base64.b32decode(bare + "=" * (-len(bare) % 8))


def _hex(token: str) -> bytes:
    return bytes.fromhex(re.sub(r"[^0-9a-fA-F]", "", token))


def _numbers(text: str) -> str:
    runs = (match[0] for match in _NUMBERS.finditer(text))
    return "\n".join("".join(chr(int(n)) for n in re.findall(r"\d+", run) if int(n) > 31) for run in runs)


def _escapes(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1] or m[2] or m[3], 8 if m[3] else 16)), text)


def _words_backwards(text: str) -> str:
    return " ".join(word[::-1] for word in text.split())


_READINGS: tuple[Callable[[str], str], ...] = (
    lambda text: text[::-1],
    _words_backwards,
    lambda text: codecs.encode(text, "rot13"),
    lambda text: text.translate(_LIKE),
    lambda text: text.translate(_LEET),
    html.unescape,
    unquote,
    _escapes,
    _numbers,
    lambda text: _tokens(text, _TOKEN, _base64),
    lambda text: _tokens(text, _TOKEN, _base32),
    lambda text: _tokens(text, _HEX, _hex),
)
