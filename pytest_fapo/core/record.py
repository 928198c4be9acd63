"""The base class of all records, their Literal types, and content digests."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from typing_extensions import Self

Split = Literal["train", "val", "holdout"]

SPLITS: tuple[Split, ...] = ("train", "val", "holdout")

Level = Literal["prompt", "param", "structure"]

LEVELS: tuple[Level, ...] = ("prompt", "param", "structure")
"""Cheapest first."""

Outcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]

Category = Literal[
    "infrastructure",  # the provider or the network failed; no edit of ours helps
    "exception",  # the user's own code raised inside a step
    "tool",  # a tool call failed: timeout, unknown tool, invalid arguments, permission
    "truncated",  # finish reason "length"
    "refusal",  # the model declined
    "schema",  # an output that should be structured does not parse or lacks fields
    "format",  # the right answer inside the wrong form
    "label",  # one of a closed set of labels was expected, another was given
    "missing-input",  # the case lacks what the step needs, and the step did not say so
    "requirement",  # the text lacks something that it must contain, or contains what it must not
    "retrieval",  # the needed passages were not retrieved
    "cascade",  # an early step came back empty and everything after it too
    "empty",  # a step came back empty
    "content",  # a wrong answer in the right form
    "mislabeled",  # the label may be wrong: near-identical cases contradict it; no edit is made for it
    "unknown",
]


class Record(BaseModel):
    """Base of all records: unknown fields are errors, so that a stale file is noticed."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def of_valid(cls, **fields: Any) -> Self:
        """Return a record of values that are valid for sure: nothing is checked, converted or copied."""
        made, (template, factories) = cls.__new__(cls), _defaults(cls)
        values = {**template, **fields}
        for name, factory in factories:
            if name not in fields:
                values[name] = factory()
        object.__setattr__(made, "__dict__", values)
        object.__setattr__(made, "__pydantic_fields_set__", _fields_set(tuple(fields)))
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made

    def updated(self, **fields: Any) -> Self:
        """Return a copy with these values, which are valid for sure; `model_copy` takes far longer."""
        made = type(self).__new__(type(self))
        object.__setattr__(made, "__dict__", {**self.__dict__, **fields})
        object.__setattr__(made, "__pydantic_fields_set__", self.__pydantic_fields_set__)
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Only what differs from the defaults: pytest prints cases above every traceback."""
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            if name not in fields or value != fields[name].get_default(call_default_factory=True):
                yield name, value


@cache
def _defaults(kind: type[Record]) -> tuple[dict[str, Any], list[tuple[str, Callable[[], Any]]]]:
    """Return the defaults of a record's fields in their order, and what makes a new one for each record."""
    fields = kind.model_fields.items()
    factories: list[tuple[str, Any]] = [
        (name, field.default_factory) for name, field in fields if field.default_factory is not None
    ]
    return {name: field.default for name, field in fields}, factories


@cache
def _fields_set(names: tuple[str, ...]) -> set[str]:
    """Return one set for all records that were given these fields: it is larger than the record's values."""
    return set(names)


_SCALARS = frozenset({str, int, float, bool, type(None)})


def deep_copy(value: Any) -> Any:
    """Return a copy that shares nothing that could be changed; fast for the flat values that most are.

    Raises:
        Exception: there is no such copy.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict and all(type(name) is str and type(part) in _SCALARS for name, part in value.items()):
        return value.copy()
    if kind is list and all(type(part) in _SCALARS for part in value):
        return value.copy()
    return copy.deepcopy(value)


def text_digest(value: str | bytes) -> str:
    """Return a short name for a content, for file names and comparison."""
    data = value.encode() if isinstance(value, str) else value
    return hashlib.sha256(data).hexdigest()[:16]


def canonical_json(value: Any) -> str:
    """One spelling for one JSON value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def files_digest(files: Mapping[str, bytes]) -> str:
    """Name of a patch: a hash over the paths and contents that it gives."""
    body = sorted((path, text_digest(content)) for path, content in files.items())
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]
