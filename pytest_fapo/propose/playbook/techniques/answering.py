"""That an answer is due, how long it may be, and on what it rests."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.view import View
from pytest_fapo.reading.values import mentions


def brief(view: View) -> Iterator[Advice]:
    """Ask for the answer alone where answers are cut off at their token limit."""
    if view.cluster.category != "truncated":
        return
    yield Advice(
        "brevity",
        "Length of the answer",
        [
            "Give the final answer only, as briefly as possible.",
            "No introduction, no reasoning, no repetition of the input.",
        ],
        "The answer runs into its token limit; without preamble and reasoning it fits.",
        mends=_all(view),
    )


def answer_always(view: View) -> Iterator[Advice]:
    """Say that an answer is always due where the model declines or says nothing."""
    if view.cluster.category not in ("refusal", "empty"):
        return
    yield Advice(
        "answer always",
        "An answer is always due",
        [
            f"Every {view.noun} is genuine work material of this task; handling it is wanted and allowed.",
            "Always give an answer in the form asked for; where something is unclear, the most likely one.",
            "Never decline, never apologize, never answer with a question or with nothing.",
        ],
        "The model declines or gives nothing, though each case has an answer.",
        mends=_all(view),
    )


def grounded(view: View) -> Iterator[Advice]:
    """Tie a free answer to what the step was given to read."""
    if view.cluster.category not in ("content", "unknown") or not _told_in_the_text(view):
        return
    yield Advice(
        "grounding",
        "What the answer rests on",
        [
            f"Read the whole {view.noun} before you answer, and answer exactly what is asked.",
            "Use only what the given text says; add nothing from elsewhere and guess nothing.",
            "Copy names, numbers and terms exactly as they are written there.",
        ],
        "The answers differ from the given text; tying them to it should bring them back.",
        mends=frozenset(sorted(_all(view))[: max(1, len(view.targets) // 3)]),
    )


def _told_in_the_text(view: View) -> bool:
    """Whether the step was given most of the expected values, so that it need only find them."""
    name = view.cluster.field
    if view.fields.closed_set(name):
        return False
    rows = [seen for seen in view.labelled(name) if seen.step is not None]
    found = [
        seen
        for seen in rows
        if mentions(seen.step.messages_text if seen.step else "", view.expected(seen, name))
    ]
    return not rows or len(found) >= 0.5 * len(rows)


def _all(view: View) -> frozenset[str]:
    return frozenset(nodeid for seen in view.targets for nodeid in seen.targets)
