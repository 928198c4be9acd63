"""Damage of many kinds to a file's bytes, as a crash, a disk or a person's editor does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

_NONSENSE: tuple[Any, ...] = (
    None, True, -1, 10**30, float("nan"), 1e308, "", "../../../outside", "/outside", "a\0b", "\ud800",
    "\x1b[31mred", "x" * 5000, [], {}, [[[]]],
)  # fmt: skip


def damaged(content: bytes, seed: int) -> bytes:
    """Return the content with one kind of damage, the same for the same seed."""
    rnd = Random(seed)
    return rnd.choice(_KINDS)(content, rnd)


def _cut(content: bytes, rnd: Random) -> bytes:
    return content[: rnd.randrange(len(content) + 1)]


def _flip(content: bytes, rnd: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rnd.randrange(1, 4) if changed else 0):
        changed[rnd.randrange(len(changed))] ^= 1 << rnd.randrange(8)
    return bytes(changed)


def _insert(content: bytes, rnd: Random) -> bytes:
    place = rnd.randrange(len(content) + 1)
    return content[:place] + rnd.randbytes(rnd.randrange(1, 30)) + content[place:]


def _shuffle(content: bytes, rnd: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    rnd.shuffle(lines)
    return b"".join(lines)


def _replace(content: bytes, rnd: Random) -> bytes:
    return rnd.choice(
        (b"", b"null", b"[]", b"{}", b"NaN", b'"text"', b"1" * 5000, b"[" * 100_000, b"\xff\xfe")
    )


def _nonsense(content: bytes, rnd: Random) -> bytes:
    """One value of a JSON document, or of a line of JSON, becomes something else or goes."""
    lines = content.splitlines() or [b""]
    place = rnd.randrange(len(lines))
    for whole in (content, lines[place]):
        try:
            value = json.loads(whole)
        except ValueError:
            continue
        spots = list(_spots(value))
        if spots:
            holder, key = rnd.choice(spots)
            holder[key] = rnd.choice(_NONSENSE)
        text = json.dumps(value).encode()
        return text if whole is content else b"\n".join([*lines[:place], text, *lines[place + 1 :]]) + b"\n"
    return _insert(content, rnd)


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _spots(value[key])


_KINDS = (_cut, _flip, _insert, _shuffle, _replace, _nonsense, _nonsense)
