"""The form of a text: how long, how it begins and ends, in which case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.view import View
from pytest_fapo.reading.requirements import Requirement

NAME = "text form"
_FORM = ("longest", "shortest", "begin", "end", "shape")


def text_form(view: View) -> Iterator[Advice]:
    """State the limits and marks that failed assertions tell."""
    found: dict[tuple[str, str], list[Requirement]] = defaultdict(list)
    mends: set[str] = set()
    if view.cluster.category != "requirement":
        return
    for seen in view.seen:
        for demand in seen.demands:
            if demand.kind in _FORM:
                found[demand.kind, demand.unit].append(demand)
        if any(demand.kind in _FORM for demand in seen.blamed_demands):
            mends.update(seen.targets)
    lines = [line for (kind, unit), group in found.items() for line in _lines(view, kind, unit, group)]
    if not lines:
        return
    why = "The text is not in the form that is asked of it, and the prompt does not state that form."
    yield Advice(NAME, "Form of the text", lines, why, mends=frozenset(mends))
    lengths = [line for line in lines if line.startswith("The text has at most")]
    if lengths:
        stricter = [
            *lines,
            "Leave out everything that was not asked for; two or three short sentences will do.",
        ]
        yield Advice(NAME, "Form of the text", stricter, why, mends=frozenset(mends), grade=1)


def _lines(view: View, kind: str, unit: str, group: list[Requirement]) -> list[str]:
    values: list[Any] = [requirement.value for requirement in group]
    if kind in ("longest", "shortest"):
        name = group[0].field
        stated = (
            [v for v in view.fields.expected.get(name, {}).values() if isinstance(v, int)] if name else []
        )
        every = [*values, *stated]
        return (
            [f"The text has at most {min(every)} {unit}; keep it shorter than that."]
            if kind == "longest"
            else [f"The text has at least {max(every)} {unit}."]
        )
    if len(set(values)) > 1:
        return []
    return {
        "begin": [f'Begin the text with "{values[0]}".'],
        "end": [f'End the text with "{values[0]}".'],
        "shape": [f"Write the text {values[0]}."],
    }[kind]
