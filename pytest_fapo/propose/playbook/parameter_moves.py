"""Techniques for parameters: the direction a value should move for a kind of failure, and how far."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pytest_fapo.core.candidate import Artifact, Candidate, Domain, Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Category
from pytest_fapo.diagnosis.trace_view import TraceView, helper_names
from pytest_fapo.propose.playbook.playbook_history import AttemptHistory

ParameterKind = Literal[
    "depth", "threshold", "temperature", "tokens", "length", "model", "tries", "seconds", "other"
]

STEPS = 4
"""Values of one parameter that are tried."""

_NAMES: tuple[tuple[ParameterKind, str], ...] = (
    (
        "tokens",
        r"(max|min|output|completion|new|answer|token)\w*_?(tokens?|length)|tokens?(_limit)?$",
    ),
    ("length", r"chars?$|characters|words?$|length|truncat|chunk_?size|max_(text|size|input)"),
    ("temperature", r"temperature|(^|_)temp$|top_?p$"),
    ("seconds", r"timeout|seconds|deadline"),
    (
        "threshold",
        r"threshold|cut_?off|min_?(score|sim|similarity|relevance|overlap|match)|score_?min|(^|_)least",
    ),
    ("tries", r"retr(y|ies)|attempts?|tries|turns?$|rounds?$|iterations?|max_steps|loops?$|hops?$|max_calls"),
    (
        "depth",
        r"(^|_)k$|top_?k|top_?n$|depth|limit|keep|candidates?|hits|results?|passages?|documents?|docs|chunks?$|"
        r"neighbou?rs|retrieve|how_many|num_|^n_|count|window|context|history|notes?$|articles?$|sources?$|shown?$",
    ),
    ("model", r"model|engine|deployment"),
)

_WANTED: dict[ParameterKind, tuple[Category, ...]] = {
    "depth": ("retrieval", "cascade", "empty", "unknown", "content", "missing-input", "requirement", "label"),
    "threshold": ("retrieval", "cascade", "empty", "unknown", "content", "missing-input", "label"),
    "temperature": ("label", "content", "format", "schema", "requirement", "unknown", "missing-input"),
    "tokens": ("truncated", "schema", "requirement", "empty", "content", "exception", "unknown", "format"),
    "length": ("retrieval", "missing-input", "truncated", "content", "label", "unknown", "requirement"),
    "model": (
        "label",
        "content",
        "unknown",
        "schema",
        "requirement",
        "format",
        "missing-input",
        "refusal",
        "tool",
    ),
    "tries": ("tool", "exception", "empty", "cascade", "content", "unknown", "retrieval", "schema"),
    "seconds": ("tool", "exception", "empty", "cascade"),
    "other": (
        "retrieval",
        "content",
        "label",
        "unknown",
        "tool",
        "empty",
        "cascade",
        "requirement",
        "format",
    ),
}
"""Kinds of failure for which a parameter of a kind is worth trying, the most telling first."""

_TECHNIQUES: dict[ParameterKind, tuple[str, str]] = {
    "depth": ("retrieval depth", "what is needed may lie below the first {before}: take up to {after}"),
    "threshold": ("score threshold", "what is needed may score below {before}: let in what reaches {after}"),
    "temperature": ("temperature", "the answer varies with the sampling: {after} instead of {before}"),
    "tokens": ("token limit", "the answer is cut off at {before} tokens: allow {after}"),
    "length": ("text limit", "what is needed may stand after the first {before}: keep up to {after}"),
    "model": ("model choice", "another model of the list may know better: {after} instead of {before}"),
    "tries": ("number of tries", "{before} may be too few: allow {after}"),
    "seconds": ("time limit", "{before} may be too short: allow {after}"),
    "other": ("parameter", "{name} = {after} instead of {before} may suit these cases better"),
}


@dataclass(frozen=True)
class ParameterMove:
    """One parameter and the values to try, in order."""

    artifact: Artifact
    kind: ParameterKind
    before: Any
    values: list[Any]
    rank: tuple[Any, ...]


def params(evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
    """Yield candidates that set one parameter to another value; all values of one before the next parameter.

    Values double (limits of length: quadruple) or halve within the parameter's domain, so that few tries
    reach far.
    """
    moves = [
        move
        for artifact in evidence.artifacts
        if artifact.level == "param" and not history.inert(artifact.address)
        for move in _moves(evidence, artifact)
    ]
    for move in sorted(moves, key=lambda each: each.rank):
        for number, value in enumerate(move.values):
            yield _candidate(evidence, move, value, number)


def kind_of(artifact: Artifact) -> ParameterKind:
    """Return the kind of a parameter, by its name and its domain."""
    address = artifact.address.rpartition("::")[2]
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", address.rpartition(".")[2]).lower()
    numeric = artifact.domain is None or artifact.domain.kind in ("int", "float")
    for kind, pattern in _NAMES:
        if re.search(pattern, name) and (kind == "model") != numeric:
            return kind
    if not numeric:
        return "model" if artifact.domain is not None and artifact.domain.kind == "choice" else "other"
    whole = address.replace(".", "_").lower()
    return next((kind for kind, pattern in _NAMES if kind != "model" and re.search(pattern, whole)), "other")


def _moves(evidence: Evidence, artifact: Artifact) -> Iterator[ParameterMove]:
    kind = kind_of(artifact)
    category = evidence.cluster.category
    if category not in _WANTED[kind]:
        return
    try:
        before = json.loads(artifact.text)
    except ValueError:
        return
    wished = dict.fromkeys(
        _typed(value, before) for value in _values(kind, before, artifact.domain, category)
    )
    values = [value for value in wished if _is_new(value, before, artifact.domain)]
    if not values:
        return
    linked = evidence.cluster.artifacts
    index = linked.index(artifact.address) if artifact.address in linked else len(linked)
    rank = (
        _idle(evidence, kind, before),
        artifact.address not in linked,
        _WANTED[kind].index(category),
        index,
        artifact.address,
    )
    yield ParameterMove(artifact, kind, before, values[:STEPS], rank)


def _values(kind: ParameterKind, before: Any, domain: Domain | None, category: Category) -> list[Any]:
    if domain is not None and domain.kind == "choice":
        at = next((n for n, choice in enumerate(domain.choices) if choice == before), -1)
        return [*domain.choices[at + 1 :], *domain.choices[: max(at, 0)]]
    if isinstance(before, bool):
        return [not before]
    if not isinstance(before, (int, float)):
        return []
    low = domain.low if domain is not None and domain.low is not None else 0
    high = domain.high if domain is not None else None
    if kind == "temperature":
        return [low, before / 2] if before > low else []
    if kind == "threshold":
        return [*_halves(before, low), low]
    upward = _raised(before, high, 4 if kind in ("tokens", "length") else 2)
    if kind == "other":
        return [*upward[:2], *_halves(before, low)[:2]]
    if kind == "depth" and category not in ("retrieval", "cascade", "empty"):
        return [*upward, *_halves(before, low)[:1]]  # what is not needed may distract
    return upward


def _raised(before: float, high: float | None, factor: int) -> list[Any]:
    values: list[Any] = []
    value: float = before
    for _ in range(STEPS):
        value = value * factor if value else 1
        if high is not None and value >= high:
            return [*values, high]
        values.append(value)
    return values


def _halves(before: float, low: float) -> list[Any]:
    values = []
    value = before
    for _ in range(2):
        value = value // 2 if isinstance(before, int) else round(value / 2, 6)
        if value < low or value == 0:
            break
        values.append(value)
    return values


def _is_new(value: Any, before: Any, domain: Domain | None) -> bool:
    return value != before and (domain is None or domain.allows(value))


def _typed(value: Any, before: Any) -> Any:
    """Return a value in the type that the parameter has: 0 for a float is 0.0."""
    if isinstance(before, bool) or isinstance(value, (bool, str)) or not isinstance(before, (int, float)):
        return value
    return round(float(value), 6) if isinstance(before, float) else int(value)


def _idle(evidence: Evidence, kind: ParameterKind, before: Any) -> bool:
    """True if the traces show that a parameter does not bind: nothing was cut off, or less was found than it
    lets through."""
    if kind == "tokens" and evidence.cluster.category != "truncated":
        calls = [
            call for case in evidence.failing() if case.trace is not None for call in case.trace.llm_calls
        ]
        return not any(call.finish_reason == "length" for call in calls)
    if kind not in ("depth", "threshold", "length"):
        return False
    sizes = _sizes(evidence, str if kind == "length" else list)
    if not sizes or not isinstance(before, (int, float)):
        return False
    if kind == "threshold":
        return max(sizes) >= 1 and len(set(sizes)) == 1  # always equally many: something else limits them
    return max(sizes) < before


def _sizes(evidence: Evidence, kind: type[list[Any]] | type[str]) -> list[int]:
    """Return the sizes of the failing step's outputs in the failing cases, if they are lists (or texts)."""
    traces = [case.trace for case in evidence.cases if case.trace is not None]
    helpers = helper_names(traces)
    sizes = []
    for case in evidence.failing():
        view = (
            TraceView(case.trace, helpers).by_key(evidence.cluster.step) if case.trace is not None else None
        )
        if view is not None and isinstance(view.output, kind):
            sizes.append(len(view.output))
    return sizes


def _candidate(evidence: Evidence, move: ParameterMove, value: Any, number: int) -> Candidate:
    technique, why = _TECHNIQUES[move.kind]
    name = move.artifact.address.rpartition("::")[2]
    if move.kind == "other":
        technique = f"parameter {name}"
    after = json.dumps(value, ensure_ascii=False)
    sentence = why.format(before=move.artifact.text.strip(), after=after, name=name)
    return evidence.candidate(
        [Edit(address=move.artifact.address, before=move.artifact.text, after=after)],
        proposer="playbook",
        technique=technique if number == 0 else f"{technique} (variant {number + 1})",
        hypothesis=f"{sentence[:1].upper()}{sentence[1:]} ({name}).",
        level="param",
    )
