"""Recorded values: JSON of bounded size from anything, without secrets, without ever raising."""

from __future__ import annotations

import enum
import json
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import BaseModel, ConfigDict, SecretStr

from pytest_fapo.capture.json_values import _JsonConverter, _NotPlain, _PlainCopy, to_json
from pytest_fapo.capture.redaction import Redactor


class Team(enum.Enum):
    BILLING = "billing"


class Level(enum.IntEnum):
    HIGH = 2


@dataclass
class Ticket:
    text: str
    team: Team
    tags: set[str] = field(default_factory=set)
    token_cache: str = field(default="internal", repr=False)


class Reply(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: str
    key: SecretStr = SecretStr("hush-hush-hush-1")


class Plain:
    pass


class Prediction:
    """As DSPy's: no mapping, with its names and values."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def keys(self) -> list[str]:
        return list(self._values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def toDict(self) -> dict[str, Any]:
        return self._values


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attributes")


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (2**70, hex(2**70)),
        ("grüezi", "grüezi"),
        ("\ud800 lone", "? lone"),
        (Team.BILLING, "billing"),
        (Level.HIGH, 2),
        ([1, (2, 3)], [1, [2, 3]]),
        ({"b", "a"}, ["a", "b"]),
        (Point(1, 2), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        ({1: "x", Team.BILLING: "y", (1, 2): "z"}, {"1": "x", "'billing'": "y", "(1, 2)": "z"}),
        (b"text", "text"),
        (b"\xff\xfe", "<2 bytes>"),
        (Path("/a/b"), "/a/b"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone.utc), "2026-01-02T03:00:00+00:00"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=5), str(UUID(int=5))),
        (ValueError("bad"), "ValueError: bad"),
        (Ticket("t", Team.BILLING, {"x"}), {"text": "t", "team": "billing", "tags": ["x"]}),
        (Reply(text="t", more=1), {"text": "t", "key": "SecretStr('**********')", "more": 1}),  # type: ignore[call-arg]
        (Prediction(team="billing", sure=0.5), {"team": "billing", "sure": 0.5}),
        (Ticket, "<class 'test_json_values.Ticket'>"),
        (Plain(), "<test_json_values.Plain object>"),
        (len, "<built-in function len>"),
    ],
)
def test_each_kind_of_value(value: Any, expected: Any) -> None:
    assert to_json(value, limit=1000) == expected


def test_hostile_values_never_raise() -> None:
    recorded = to_json({"a": Hostile(), "b": [1, Hostile()]}, limit=1000)
    assert json.dumps(recorded)
    assert "Hostile" in json.dumps(recorded)


def test_cycles_and_depth_end() -> None:
    cycle: list[Any] = [1]
    cycle.append({"again": cycle})
    assert to_json(cycle, limit=1000) == [1, {"again": "<cycle>"}]
    deep: Any = "bottom"
    for _ in range(5000):
        deep = [deep]
    assert "nested too deeply" in json.dumps(to_json(deep, limit=10_000))


def test_the_same_object_twice_is_no_cycle() -> None:
    shared = {"x": 1}
    assert to_json([shared, shared], limit=1000) == [{"x": 1}, {"x": 1}]


@pytest.mark.parametrize(
    "value",
    [
        "x" * 1_000_000,
        list(range(1_000_000)),
        {str(number): "y" * 50 for number in range(50_000)},
        [["x" * 10_000] * 10] * 10,
        "ü" * 100_000,
    ],
)
def test_the_limit_holds(value: Any) -> None:
    recorded = json.dumps(to_json(value, limit=2_000), ensure_ascii=False)
    assert 1_000 < len(recorded) < 3_000
    assert "more" in recorded


def test_what_is_left_out_is_counted() -> None:
    assert to_json("x" * 150, limit=100) == "x" * 100 + "… (50 more characters)"
    assert to_json(list(range(100)), limit=50)[-1] == "… 85 more"  # type: ignore[index]
    assert to_json({"a": "x" * 90, "b": 1, "c": 2}, limit=50)["…"] == "2 more"  # type: ignore[index,call-overload]


def test_numpy_values_open_up_where_they_are_small() -> None:
    numpy = pytest.importorskip("numpy")
    assert to_json({"a": numpy.float64(0.5), "b": numpy.array([1, 2])}, limit=1000) == {"a": 0.5, "b": [1, 2]}
    assert isinstance(to_json(numpy.zeros(10_000), limit=1000), str)


def test_memory_addresses_do_not_make_two_runs_differ() -> None:
    assert to_json([Plain(), lambda: 0], limit=1000) == to_json([Plain(), lambda: 0], limit=1000)


# --- redaction -------------------------------------------------------------------------------------------


def test_secrets_of_the_environment_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", "shop-4711-key")
    monkeypatch.setenv("DB_PASSWORD", "pass-9876-word")
    monkeypatch.setenv("GIT_TOKEN", "token")  # a placeholder, not a secret
    redact = Redactor()
    assert redact("a shop-4711-key b pass-9876-word c token") == "a [redacted] b [redacted] c token"


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-abcdefghijklmnopqrstuvwx",
        "Authorization: Bearer abcdefghijklmnop.qrstuv",
        "AIzaSyA-0123456789012345678901234567890",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str) -> None:
    recorded = Redactor()(f"before {text} after")
    assert recorded.startswith("before ")
    assert recorded.endswith("[redacted] after")


def test_ordinary_words_stay() -> None:
    text = "The bearer bonds of risk-averse clients: sk-only 12, password reset, key facts."
    assert Redactor()(text) == text


def test_configured_patterns_apply_to_keys_and_values() -> None:
    redactor = Redactor([r"\b\d{4}-\d{4}\b", r"(?i)mr\. \w+"])
    value = {"card 1234-5678": ["Mr. Meier has 1234-5678", Ticket("mr. huber", Team.BILLING)]}
    recorded = json.dumps(to_json(value, limit=1000, redactor=redactor))
    assert "1234" not in recorded
    assert "eier" not in recorded
    assert "huber" not in recorded


def test_values_under_names_of_credentials_are_taken_out() -> None:
    value = {
        "api_key": "short",
        "Authorization": "x",
        "max_tokens": 5,
        "tokens": "kept",
        "token_count": "kept",
    }
    recorded = to_json(value, limit=1000, redactor=Redactor())
    assert recorded == {
        "api_key": "[redacted]", "Authorization": "[redacted]", "max_tokens": 5, "tokens": "kept",
        "token_count": "kept",
    }  # fmt: skip


def test_no_half_of_a_secret_is_left_where_a_text_is_cut() -> None:
    redactor = Redactor(secrets=["correct-horse-battery-staple-1"])
    recorded = to_json("x" * 90 + "correct-horse-battery-staple-1" + "y" * 100, limit=100, redactor=redactor)
    assert "correct" not in str(recorded)


def test_a_secret_inside_a_longer_one_leaves_no_rest() -> None:
    redactor = Redactor(secrets=["abcd-1234-efgh", "abcd-1234-efgh-5678-ijkl"])
    assert redactor("<abcd-1234-efgh-5678-ijkl>") == "<[redacted]>"


_TEXTS = some.one_of(
    some.text(max_size=40),
    some.sampled_from(
        ["sk-0123456789abcdefghij", "password", "api_key", "the secret is kept", "\udc80 half", "é"]
    ),
)
_LEAVES = some.one_of(
    some.none(), some.booleans(), some.integers(), some.floats(), _TEXTS, some.binary(max_size=4)
)
_VALUES = some.recursive(
    _LEAVES, lambda inner: some.lists(inner, max_size=4) | some.dictionaries(_TEXTS, inner, max_size=4)
)


@given(_VALUES, some.integers(5, 400))
def test_the_quick_copy_is_what_the_full_conversion_gives(value: Any, limit: int) -> None:
    redactor = Redactor(secrets=["the secret is kept"])
    copy = _PlainCopy(redactor)
    try:
        quick = copy.of(value, 0)
    except _NotPlain:
        return
    if copy.size < limit:
        full = _JsonConverter(limit, redactor)
        assert quick == full.convert(value, 0)
        assert (full.cut, full.foreign, limit - full.room) == (False, False, copy.size)


def test_a_text_that_was_clean_is_redacted_once_its_secret_is_known() -> None:
    redactor = Redactor()
    text = "the customer's code is 4711-abcd"
    assert redactor(text) == text
    redactor.add_secret("4711-abcd")
    assert "4711" not in redactor(text)
