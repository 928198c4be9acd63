"""Check for invisible characters: a model reads them, so they can carry a hidden text."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.review.review_subject import EditedText, ReviewSubject

_ZERO_WIDTH_SPACE, _NON_JOINER, _JOINER = "\u200b", "\u200c", "\u200d"

_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2800\u3164\uffa0")
"""Fillers and separators that show as nothing, beside those of the categories for controls and formats."""

_VARIATIONS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")

_FLAGS = re.compile(
    "\U0001f3f4(?:\U000e0067\U000e0062(?:"
    + "|".join("".join(chr(0xE0000 + ord(letter)) for letter in name) for name in ("eng", "sct", "wls"))
    + ")\U000e007f)"
)
"""England, Scotland and Wales: the emoji that are written with tag characters."""

_KEYCAPS = frozenset("0123456789#*\u203c\u2049\u3030")

_PLAIN_CONTROLS = frozenset("\t\n\r")

_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2}))")

_FEW = 3
"""So many in a literal of their own are what code takes out of a text."""

_SHOWN = 3


def invisible(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """No control, format or filler character is brought in that the text does not need to be written."""
    for change in subject.changes:
        found = _brought_in(change)
        if found:
            names = [f"U+{ord(char):04X}{_called(char)}" for char in dict.fromkeys(char for char, _ in found)]
            lines = sorted({line for _, line in found} - {0})
            at = f" (line {lines[0]})" if lines else ""
            listed = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
            yield ReviewProblem(
                check="invisible",
                message=(
                    f"{change.address}{at}: The new text holds {len(found)} characters that nobody sees "
                    f"({listed}); write it without them."
                ),
                address=change.address,
                lines=lines,
            )


def _brought_in(change: EditedText) -> list[tuple[str, int]]:
    """Return the characters that the text before did not have (or not so many of), each with its line."""
    known = Counter(char for char, _ in _hidden(change.before))
    found: list[tuple[str, int]] = []
    texts = [(change.after, True), *((text, False) for text in _meant(change, change.after))]
    if len(texts) > 1:
        known.update(char for text in _meant(change, change.before) for char, _ in _hidden(text))
    for text, placed in texts:
        for char, index in _hidden(text):
            if known[char]:
                known[char] -= 1
            else:
                found.append((char, text.count("\n", 0, index) + 1 if placed else 0))
    return found


def _meant(change: EditedText, text: str) -> Iterator[str]:
    """Yield the readings of a text: escapes in parameters and in the strings of code."""
    if change.artifact.kind == "function":
        yield from _literals(text)
        return
    if change.artifact.kind == "param" and _ESCAPED.search(text):
        yield _ESCAPED.sub(lambda match: _char(match[1] or match[2] or match[3]), text)


def _char(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if number <= 0x10FFFF else ""


def _literals(source: str) -> Iterator[str]:
    """Yield the strings of a function that mix hidden characters with words, or hold many of them."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            written = any(char in source for char, _ in _hidden(text))
            many = sum(1 for _ in _hidden(text)) > _FEW or any(map(str.isalnum, text))
            if many and not written:
                yield text


def _hidden(text: str) -> Iterator[tuple[str, int]]:
    """Yield the characters that do not show and that nothing around them calls for, with their places."""
    if text.isascii() and text.isprintable():
        return
    flags = {index for match in _FLAGS.finditer(text) for index in range(*match.span())}
    for index, char in enumerate(text):
        if char.isascii() and char.isprintable():
            continue
        if _is_hidden(char) and index not in flags and not _called_for(text, index):
            yield char, index


def _is_hidden(char: str) -> bool:
    if char in _PLAIN_CONTROLS:
        return False
    number = ord(char)
    return (
        unicodedata.category(char) in ("Cc", "Cf")
        or char in _BLANKS
        or bool(_VARIATIONS.match(char))
        or number & 0xFFFE == 0xFFFE
        or number >= 0xE0000
    )


def _called_for(text: str, index: int) -> bool:
    """True where spelling or an emoji needs the character."""
    char = text[index]
    before = text[index - 1] if index else ""
    after = text[index + 1 : index + 2]
    if char == _ZERO_WIDTH_SPACE:
        return _is_unspaced(before) and _is_unspaced(after)
    if char == _NON_JOINER:
        return _is_joining(before) and _is_joining(after)
    if char == _JOINER:
        return _is_joining(before) or (_is_picture(before) and _is_picture(after))
    if char in ("\ufe0e", "\ufe0f"):
        return before in _KEYCAPS or (_is_picture(before) and not _VARIATIONS.match(before))
    if "\u180b" <= char <= "\u180f":
        return "\u1820" <= before <= "\u18aa"
    return 0x600 <= ord(char) <= 0x6DD and char != "\u061c"  # signs of Arabic numbers, which do show


def _is_unspaced(char: str) -> bool:
    """True for Thai, Lao, Burmese and Khmer, where a zero-width space parts words."""
    return "\u0e00" <= char <= "\u0eff" or "\u1000" <= char <= "\u109f" or "\u1780" <= char <= "\u17ff"


def _is_joining(char: str) -> bool:
    """True for a letter or mark of Arabic, Syriac, the scripts of India and their kin, Mongolian."""
    if not char or not unicodedata.category(char).startswith(("L", "M")):
        return False
    return "\u0600" <= char <= "\u0fff" or "\u1000" <= char <= "\u109f" or "\u1780" <= char <= "\u18af"


def _is_picture(char: str) -> bool:
    """True for an emoji, its skin tone or its variation selector."""
    return bool(char) and (
        unicodedata.category(char) in ("So", "Sm", "Cn")
        or char == "\ufe0f"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


def _called(char: str) -> str:
    name = unicodedata.name(char, "")
    return f" {name.lower()}" if name else " control character" if unicodedata.category(char) == "Cc" else ""
