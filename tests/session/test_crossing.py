"""Outputs cross as data: what arrives is equal, and nothing is run, imported or unpickled on the way."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import pathlib
import sys
import uuid
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from pytest_fapo.core.errors import BudgetExceeded, CacheMiss
from pytest_fapo.session.crossing import (
    CannotCross,
    decode,
    decode_error,
    encode,
    encode_error,
    shapes_in,
)


class Team(enum.Enum):
    BILLING = "billing"


class Mood(str, enum.Enum):
    BAD = "bad"


@dataclass(frozen=True)
class Passage:
    title: str
    score: float = 0.0
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        made.append(self.title)


class Answer(BaseModel):
    team: Team
    passages: list[Passage]
    note: str | None = None


class Point(NamedTuple):
    x: int
    y: int


class Shop:
    class Refused(Exception):
        pass


made: list[str] = []

VALUES: list[Any] = [
    None,
    True,
    1,
    1.5,
    "ü\ud800",
    [1, [2, {"a": (3,)}]],
    {"a": 1, 2: "b", (3, 4): None},
    {1, 2},
    frozenset({"x"}),
    b"\x00\xff",
    datetime.datetime(2026, 11, 30, 12, 0, tzinfo=datetime.timezone.utc),
    datetime.date(2026, 11, 30),
    decimal.Decimal("1.10"),
    uuid.UUID(int=7),
    pathlib.Path("a/b"),
    Team.BILLING,
    Mood.BAD,
    Passage("a", 0.5, ["x"]),
    Answer(team=Team.BILLING, passages=[Passage("b")]),
    Point(1, 2),
    {"object": ["os:system", {}], "dict": []},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
def test_what_crosses_is_equal(value: Any) -> None:
    arrived = decode(json.loads(json.dumps(encode(value))))
    assert arrived == value
    assert type(arrived) is type(value)


def test_no_line_of_a_class_is_run_where_its_object_arrives() -> None:
    sent = encode(Passage("quiet"))
    made.clear()
    assert decode(sent).title == "quiet"
    assert made == []


class Liar(str):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


class Unpickled:
    def __reduce__(self) -> Any:
        raise AssertionError("it was pickled")


@pytest.mark.parametrize("value", [Liar("x"), {"team": Liar("x")}, Unpickled(), object(), len, iter([])])
def test_what_is_no_plain_value_does_not_cross(value: Any) -> None:
    with pytest.raises(CannotCross):
        encode(value)


def test_a_value_that_holds_itself_does_not_cross() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CannotCross, match="deeply"):
        encode(value)


@pytest.mark.parametrize(
    "name",
    [
        "antigravity:x",
        "subprocess:Popen",
        "builtins:object",
        f"{__name__}:Nobody",
        f"{__name__}:made",
        "os:system",
    ],
)
def test_only_records_that_are_loaded_are_filled(name: str) -> None:
    with pytest.raises(CannotCross):
        decode({"object": [name, {}]})
    assert "antigravity" not in sys.modules


def test_the_classes_of_an_output_are_known_before_it_is_made() -> None:
    sent = encode({"answer": [Answer(team=Team.BILLING, passages=[Passage("b")])]})
    names = {name.partition(":")[2].replace(f"{__name__}:", "") for name in shapes_in(sent)}
    assert {name for name in names if " " not in name} == {"Answer", "Team", "Passage"}
    assert names >= {"Answer.team Team", "Answer.note NoneType", "Passage.score float", "Passage.tags list[]"}


def test_what_a_field_never_held_must_be_as_declared() -> None:
    def crosses(value: Any, before: Any) -> bool:
        sent = encode(value)
        try:
            decode(sent, set(shapes_in(sent)) - set(shapes_in(encode(before))))
        except CannotCross as error:
            return "declares something else" not in str(error)
        return True

    passage, odd = Passage("a"), Passage("a", score="high", tags=["b"])  # type: ignore[arg-type]
    assert crosses(Passage("a", 1, ["b"]), passage)  # an int is a float, a list has entries
    assert not crosses(odd, passage)
    assert crosses(odd, odd), "as it was before"
    assert not crosses([{"found": (odd, 1)}], [{"found": (passage, 1)}])
    assert not crosses(Passage("a", tags=[1]), passage)  # type: ignore[list-item]
    answer = Answer(team=Team.BILLING, passages=[])
    assert crosses(answer.model_copy(update={"note": "x", "passages": [passage]}), answer)
    assert not crosses(answer.model_copy(update={"note": 3}), answer)
    assert not crosses(answer.model_copy(update={"passages": [odd]}), answer)
    assert not crosses(answer.model_copy(update={"passages": ["a"]}), answer)
    assert crosses(Point(1, 2), Point(0, 0))
    assert not crosses(Point("1", 2), Point(0, 0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no", 3),
        KeyError("city"),
        Shop.Refused("closed"),
        CacheMiss("x"),
        BudgetExceeded("b", limit="--l"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_arrive_as_what_they_are(error: BaseException) -> None:
    arrived = decode_error(json.loads(json.dumps(encode_error(error))))
    assert type(arrived) is type(error)
    assert arrived.args == error.args
    assert vars(arrived) == vars(error)


def test_an_error_that_cannot_be_made_keeps_its_name_and_words() -> None:
    there = {"class": "shop.errors:OutOfStock", "args": ["tea"], "state": {}, "text": "tea is out"}
    arrived = decode_error(there)
    assert (type(arrived).__name__, str(arrived)) == ("OutOfStock", "tea")
    ended = decode_error({"class": "builtins:SystemExit", "args": [0], "state": {}, "text": "0"})
    assert isinstance(ended, RuntimeError)
