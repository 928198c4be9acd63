"""A value at its place in a file, and the file with another spelling there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pytest_fapo.source.parameter_values import ParameterValue
from pytest_fapo.source.text_files import SourceText


class ValueLocation(NamedTuple):
    """A value and the characters that spell it; both 0 where it cannot be edited."""

    value: ParameterValue
    start: int = 0
    end: int = 0


def distinct_locations(found: Iterable[ValueLocation]) -> list[ValueLocation]:
    """Return the locations in order; those that share a name cannot be edited, since it names none of
    them.
    """
    locations = list(found)
    counts = Counter(each.value.name for each in locations)
    unique = [each for each in locations if counts[each.value.name] == 1]
    twice = "it is there more than once; give each a key of its own"
    again = [ValueLocation(ParameterValue(name, reason=twice)) for name, count in counts.items() if count > 1]
    return unique + again


def location_of(name: str, found: Iterable[ValueLocation]) -> ValueLocation | None:
    """Return the editable location of that name; None where there is none."""
    return next((each for each in found if each.value.name == name and not each.value.reason), None)


def spliced_files(source: SourceText, location: ValueLocation, spellings: Iterable[str]) -> Iterator[bytes]:
    """Yield the file with each of the spellings in place of the value, if its encoding has the characters."""
    for spelling in spellings:
        try:
            yield source.encode(source.text[: location.start] + spelling + source.text[location.end :])
        except UnicodeEncodeError:
            continue
