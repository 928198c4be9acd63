"""Spelling text as the body of a Python string literal."""

from __future__ import annotations

_SIMPLE = {"\\": "\\\\", "\r": "\\r"}
_JOINERS = "\u200c\u200d"
"""Invisible, yet part of emoji and of several scripts: escaping them would make the text unreadable."""


def escape(text: str, *, quote: str, encoding: str, newline: str = "\n") -> str:
    """Body of an ordinary (not raw) literal in `quote` whose value is `text`.

    Args:
        text: the value.
        quote: one of `"`, `'`, and these three times.
        encoding: the file's; characters that it lacks are escaped.
        newline: how the file spells a newline inside a triple-quoted literal.
    """
    triple = len(quote) == 3
    pieces: list[str] = []
    run = 0  # unescaped quote characters just written
    for place, character in enumerate(text):
        piece = _spell(character, triple, encoding, newline)
        if character == quote[0]:
            last = place == len(text) - 1
            if not triple or last or run == 2:
                piece, run = "\\" + character, 0
            else:
                run += 1
        else:
            run = 0
        pieces.append(piece)
    return "".join(pieces)


def _spell(character: str, triple: bool, encoding: str, newline: str) -> str:
    if character in _SIMPLE:
        return _SIMPLE[character]
    if character == "\n":
        return newline if triple else "\\n"
    if character == "\t":
        return character if triple else "\\t"
    if (character.isprintable() or character in _JOINERS) and _encodable(character, encoding):
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def raw_possible(text: str, *, quote: str, encoding: str) -> bool:
    """Whether a raw literal in `quote` can have `text` for its value."""
    triple = len(quote) == 3
    if quote in text or text.endswith(quote[0]) or (len(text) - len(text.rstrip("\\"))) % 2:
        return False
    return all(_spell(c, triple, encoding, "\n") == c or c == "\\" for c in text)


def _encodable(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
