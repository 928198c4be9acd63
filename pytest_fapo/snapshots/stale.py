"""Whether a snapshot still says what the pipeline does."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.snapshots.asked import Asked
from pytest_fapo.snapshots.page import Page
from pytest_fapo.snapshots.state import State, UnreadableState, read_state


def staleness(text: str, page: Page) -> str:
    """Why the snapshot is out of date, as the end of a sentence; empty where it is not.

    What a model answers may vary from run to run and makes nothing stale. A prompt is compared as long as
    all answers that came before it are those that the snapshot was made with; the files are compared always.

    Args:
        text: of the file.
        page: made afresh for the same sample case.
    """
    try:
        state = read_state(text)
    except UnreadableState as problem:
        return str(problem)
    changed = _differing(state, page.state)
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        return f"{', '.join(changed[:3])}{more} changed since it was written"
    if page.scores not in text.replace("\r\n", "\n"):
        return "its scores are not those of the baseline"
    if state.sample != page.sample:
        if not page.sample:
            return ""  # no case ran to compare with; that is the gate's own business
        return f"its sample case {state.sample!r} is no longer among the train cases"
    return _asked_otherwise(state, page.calls)


def _differing(state: State, now: State) -> list[str]:
    both = {*state.artifacts, *now.artifacts}
    return sorted(each for each in both if state.artifacts.get(each) != now.artifacts.get(each))


def _asked_otherwise(state: State, calls: Sequence[Asked]) -> str:
    recorded = {call.question for call in state.calls}
    answered = {(call.question, call.answer) for call in state.calls}
    determined = True
    for each in calls[: len(state.calls)]:
        before = [other for other in calls if other.end <= each.call.start]
        if not all((other.question, other.answer) in answered for other in before):
            determined = False
        elif each.question not in recorded:
            where = f"step {each.step!r}" if each.step else "the pipeline"
            return f"{where} asks its model something else than it shows"
    if (
        determined
        and len(calls) < len(state.calls)
        and all((each.question, each.answer) in answered for each in calls)
    ):
        return f"it shows {len(state.calls)} questions, and the pipeline asks {len(calls)}"
    return ""
