"""Compare values as models write them and people label them: JSON inside prose, loose equality, leaves."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from pydantic import JsonValue

from pytest_fapo.core.text import parsed_json
from pytest_fapo.diagnosis.label_values import AnyOf, Near

MAX_TEXT = 100_000
"""Characters of one text that are looked at; what is longer is cut."""

_FENCE = re.compile(r"```[\w-]*[ \t]*\r?\n(.*?)```", re.S)

_EDGES = " \t\r\n\"'`*_#>.,;:!?()[]{}<>“”‘’«»-–—"

_KEY_LINE = re.compile(r"^[\s>*_#-]*([A-Za-z][\w -]{0,30}?)[*_]*\s*[:=]\s*(\S.*?)\s*$")

_NUMBER = re.compile(r"[-+]?\d[\d,. ]*\d|[-+]?\d")


@dataclass(frozen=True)
class JsonReading:
    """A JSON object or array found in a text."""

    value: Any
    clean: bool
    """True if the whole text is that JSON and nothing else."""


def read_json(text: str) -> JsonReading | None:
    """Return the JSON object or array of a text: the whole of it, a fenced block, or the first one in the
    prose.
    """
    text = text[:MAX_TEXT].strip()
    if "{" not in text and "[" not in text:
        return None
    whole = _loads(text)
    if whole is not None:
        return JsonReading(whole, clean=True)
    for match in _FENCE.finditer(text):
        fenced = _loads(match.group(1).strip())
        if fenced is not None:
            return JsonReading(fenced, clean=False)
    decoder = json.JSONDecoder()
    for start in [match.start() for match in re.finditer(r"[{\[]", text)][:20]:
        try:
            value, _end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if value and isinstance(value, (dict, list)):
            return JsonReading(value, clean=False)
    return None


def _loads(text: str) -> Any:
    try:
        value = parsed_json(text)
    except ValueError:
        return None
    return value if isinstance(value, (dict, list)) else None


def looks_like_json(text: str) -> bool:
    """True if a text was meant as JSON, parsable or not."""
    stripped = text.strip()
    return stripped[:1] in ("{", "[") or bool(re.search(r"```(json)?\s*[{\[]", stripped))


def key_values(text: str) -> dict[str, str]:
    """Return the `Key: value` lines of a short text."""
    pairs: dict[str, str] = {}
    for line in text[:4000].splitlines()[:30]:
        match = _KEY_LINE.match(line)
        if match:
            pairs.setdefault(match.group(1).strip(), match.group(2).strip())
    return pairs


def leaves(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield every scalar or list inside a value with its dotted path; the members of lists are not
    entered.
    """
    if isinstance(value, Mapping) and depth < 8:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else str(key), depth + 1)
    else:
        yield path, value


def texts_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield every string (and number, as text) anywhere inside a value."""
    if depth > 8:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts_in(inner, depth + 1)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(value)


def strings_in(value: JsonValue) -> Iterator[str]:
    """Yield every string of JSON data, keys left out; numbers are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings_in(part)


def whole_text(value: Any) -> str:
    """Return all texts inside a value, joined."""
    return "\n".join(texts_in(value))[:MAX_TEXT]


def plain(value: Any) -> str:
    """Return a value as a person would write it on a line."""
    if isinstance(value, str):
        return value
    if isinstance(value, AnyOf):
        return " or ".join(map(plain, value))
    if value is None or isinstance(value, (bool, list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def normal(value: Any) -> str:
    """Return a value without case, quotes, Markdown, outer punctuation and the kind of its separators."""
    return _normal(plain(value)[:MAX_TEXT])


@lru_cache(maxsize=4096)
def _normal(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"[\s_\-–—/]+", " ", text.strip(_EDGES))
    return text.strip(_EDGES)


def shape_of(text: str) -> str:
    """Return the shape of a text: numbers and words stand for any of their kind."""
    return re.sub(r"[^\W\d]+", "w", re.sub(r"\d+", "9", text))


def same(expected: Any, actual: Any) -> bool:
    """Equality as JSON, after trimming strings; 1 equals 1.0, but True does not equal 1. A label that more
    than one answer fits is the same as each of them."""
    if isinstance(expected, AnyOf) and not isinstance(actual, AnyOf):
        return any(same(reference, actual) for reference in expected)
    if isinstance(expected, Near):
        number = to_number(actual)
        return number is not None and expected.fits(number)
    if isinstance(expected, str) and isinstance(actual, str):
        return expected.strip() == actual.strip()
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, (int, float)) and isinstance(actual, (int, float)):
        return abs(expected - actual) <= 1e-9 * max(1.0, abs(expected))
    if isinstance(expected, list) and isinstance(actual, (list, tuple)):
        return len(expected) == len(actual) and all(same(a, b) for a, b in zip(expected, actual, strict=True))
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    return bool(expected == actual)


def same_entries(expected: Any, actual: Any) -> bool:
    """True of two lists with the same entries, in whatever order."""
    if not isinstance(expected, list) or not isinstance(actual, (list, tuple)):
        return False
    left, right = (sorted(plain(each).strip() for each in value) for value in (expected, actual))
    return left == right


def alike(expected: Any, actual: Any) -> bool:
    """Equality that forgives the form: case, quotes, punctuation, spelling of numbers and dates, order."""
    if same(expected, actual):
        return True
    if is_blank(expected) and is_blank(actual):
        return True
    if isinstance(expected, AnyOf) and not isinstance(actual, AnyOf):
        return any(alike(reference, actual) for reference in expected)
    if isinstance(expected, list) and isinstance(actual, (list, tuple)):
        return sorted(map(normal, expected)) == sorted(map(normal, actual))
    if isinstance(expected, (list, Mapping)) or isinstance(actual, (list, Mapping)):
        return False
    left, right = normal(expected), normal(actual)
    if left == right:
        return left != "" and _is_negative(expected) == _is_negative(actual)
    if isinstance(expected, bool) or isinstance(actual, bool):
        return truth_of(expected) is truth_of(actual) is not None
    return _same_number(expected, actual) or _same_date(expected, actual)


def truth_of(value: Any) -> bool | None:
    """Return the truth value that a value is, or says in a word; None where it says none."""
    if isinstance(value, bool):
        return value
    word = normal(value) if isinstance(value, str) else ""
    return {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}.get(word)


_BLANK = re.compile(
    r"(none|null|n a|na|unknown|missing|unspecified|undisclosed|undetermined|unanswerable|abstain"
    r"|(it |that )?(is )?(not|never|un) ?(stated|given|found|mentioned|specified|provided|disclosed"
    r"|reported|indicated|known|available|applicable|answerable"
    r"|in the (text|document|passages?|context|notes|source))"
    r"( in the \w+| here| there| anywhere)?"
    r"|no (answer|information|data|mention|value)( (given|found|available))?"
    r"|(not enough|insufficient) (information|evidence|data|context)"
    r"|(i )?(do not|don't|cannot|can't|can not) (know|tell|say|determine|answer"
    r"|be (determined|answered|told)))?"
)


def is_blank(value: Any) -> bool:
    """None, empty, or words that stand for nothing: labels that ask for no answer (`not stated`)."""
    if value is None or value == [] or value == {}:
        return True
    return isinstance(value, str) and len(value) <= 60 and _BLANK.fullmatch(normal(value)) is not None


def mentions(text: str, value: Any) -> bool:
    """True if a text contains a value as whole words, the form forgiven."""
    if isinstance(value, AnyOf):
        return any(mentions(text, reference) for reference in value)
    needle = normal(value)
    if not needle:
        return False
    if _is_negative(value):
        return re.search(rf"(?<!\w)[-−]\s*{re.escape(needle)}(?!\w)", text.casefold()) is not None
    return re.search(rf"(?<!\w){re.escape(needle)}(?!\w)", normal(text)) is not None


def is_number(value: Any) -> bool:
    """True for numbers; truth values are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def to_number(value: Any) -> float | None:
    """Return the number that a value is or spells out (`1,200.50 EUR`); None where there is none or
    several.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    if not isinstance(value, str) or len(value) > 40:
        return None
    numbers = _NUMBER.findall(unicodedata.normalize("NFKC", value))
    if len(numbers) != 1:
        return None
    text = numbers[0].replace(" ", "")
    if re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})*,\d{1,2}", text):
        text = text.replace(".", "").replace(",", ".")
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _same_number(expected: Any, actual: Any) -> bool:
    if not (isinstance(expected, (int, float)) or isinstance(actual, (int, float))) and not (
        isinstance(expected, str) and isinstance(actual, str) and re.search(r"\d", expected)
    ):
        return False
    if isinstance(expected, str) and re.search(r"[A-Za-z]{3}|\d-\d", expected):
        return False
    left, right = to_number(expected), to_number(actual)
    close = left is not None and right is not None and abs(left - right) < 1e-9
    return close and not _differ(_LETTERS, expected, actual) and not _differ(_CURRENCY, expected, actual)


_LETTERS, _CURRENCY = re.compile(r"[^\W\d_]+"), re.compile(r"[$€£¥₹₩₽₺₴]")


def _differ(part: re.Pattern[str], expected: Any, actual: Any) -> bool:
    """True if both have such a part, and not the same: 12 kg and 12 g, B2 and C2."""
    left, right = ("".join(part.findall(plain(each).casefold())) for each in (expected, actual))
    return bool(left and right) and left != right


def _is_negative(value: Any) -> bool:
    return re.match(r"\s*[-−]\s*[$€£]?\d", plain(value)) is not None


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def to_dates(value: Any) -> set[date]:
    """Return the dates that a short text can mean: several where day and month could be swapped."""
    if not isinstance(value, str) or len(value) > 60:
        return set()
    dates: set[tuple[int, int, int]] = set()
    for a, b, c in re.findall(r"(?<!\d)(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?!\d)", value):
        if len(a) == 4:
            dates.add((int(a), int(b), int(c)))
        elif len(c) in (2, 4):
            year = int(c) + (2000 if len(c) == 2 else 0)
            dates |= {(year, int(b), int(a)), (year, int(a), int(b))}
    month = "|".join(MONTHS)
    for day, name, year in re.findall(
        rf"(?i)\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({month})[a-z]*\.?,?\s+(\d{{4}})", value
    ):
        dates.add((int(year), MONTHS.index(name.lower()) + 1, int(day)))
    for name, day, year in re.findall(
        rf"(?i)\b({month})[a-z]*\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})", value
    ):
        dates.add((int(year), MONTHS.index(name.lower()) + 1, int(day)))
    return {made for parts in dates if (made := _date(*parts)) is not None}


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _same_date(expected: Any, actual: Any) -> bool:
    left, right = to_dates(expected), to_dates(actual)
    if len(left) > 1 and shape_of(expected) == shape_of(actual):
        return _integers(expected) == _integers(actual)  # two dates in one spelling
    return bool(left & right)


def _integers(text: str) -> list[int]:
    return list(map(int, re.findall(r"\d+", text)))


def is_swapped_date(expected: Any, actual: Any) -> bool:
    """True if day and month of a date have changed places."""
    swapped = {(each.year, each.day, each.month) for each in to_dates(expected)}
    dates = {(each.year, each.month, each.day) for each in to_dates(actual)}
    return bool(swapped & dates) and not alike(expected, actual)
