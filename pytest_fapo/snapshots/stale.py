"""Whether a snapshot still says what the pipeline does."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from pytest_fapo.snapshots.asked import Asked, may_know
from pytest_fapo.snapshots.page import Page
from pytest_fapo.snapshots.state import Asking, State, UnreadableState, read_state


def staleness(text: str, page: Page, elsewhere: Collection[str] = ()) -> str:
    """Why the snapshot is out of date, as the end of a sentence; empty where it is not.

    What a model answers may vary from run to run and makes nothing stale. A prompt is compared as long as
    all answers that came before it are those that the snapshot was made with; the files are compared always.

    Args:
        text: of the file, its lines ended by `\\n`.
        page: made afresh for the same sample case.
        elsewhere: addresses that stand in other pipelines' snapshots.
    """
    try:
        state = read_state(text)
    except UnreadableState as problem:
        return str(problem)
    changed = _changed(state, page.state, elsewhere)
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        return f"{', '.join(changed[:3])}{more} changed since it was written"
    if _plain(page.scores) not in _plain(text):
        return "its scores are not those of the baseline"
    if not page.sample:
        return ""  # no case ran to compare with; that is the gate's own business
    if state.sample != page.sample:
        return f"its sample case {state.sample!r} is no longer among the train cases"
    return _asked_otherwise(state, page) or _shown_otherwise(state, page, text)


def _changed(state: State, now: State, elsewhere: Collection[str]) -> list[str]:
    """Addresses whose content differs, is new or is gone.

    Which prompts belong to which pipeline is known from what its cases asked, and may vary with the answers.
    """
    both = {*state.artifacts, *now.artifacts}
    return sorted(
        address
        for address in both
        if state.artifacts.get(address) != now.artifacts.get(address)
        and not (address not in state.artifacts and address in elsewhere)
    )


def _asked_otherwise(state: State, page: Page) -> str:
    answered = {(call.question, call.answer) for call in (*state.calls, *state.judges)}
    recorded = {call.question for call in state.calls}
    for each in page.calls[: len(state.calls)]:
        before = [other for other in page.calls if may_know(each.call, other.call)]
        if _as_shown(before, answered) and each.question not in recorded:
            where = f"step {each.step!r}" if each.step else "the pipeline"
            return f"{where} asks its model something else than it shows"
    recorded = {call.question for call in state.judges}
    for number, each in enumerate(page.judges[: len(state.judges)]):
        before = [*page.calls, *(other for other in page.judges[:number] if other.path == each.path)]
        if _as_shown(before, answered) and each.question not in recorded:
            return f"test {each.step!r} asks its model something else than it shows"
    return ""


def _as_shown(before: Sequence[Asked], answered: Collection[tuple[str, str]]) -> bool:
    """True if all that was answered before a prompt is what the snapshot was made with."""
    return all((other.question, other.answer) in answered and other.answer_is_known for other in before)


def _shown_otherwise(state: State, page: Page, text: str) -> str:
    """What else must be the same where all questions and answers are."""
    same = _equal(state.calls, page.state.calls) and _equal(state.judges, page.state.judges)
    if not same or not all(each.answer_is_known for each in (*page.calls, *page.judges)):
        return ""
    if state.steps != page.state.steps:
        return f"case {page.sample!r} goes through other steps than it shows"
    shown = _plain(text)
    if any(_plain(block) not in shown for block in (*page.blocks, *page.judge_blocks)):
        return "its text was changed by hand or by a merge"
    return ""


def _equal(recorded: Sequence[Asking], now: Sequence[Asking]) -> bool:
    return len(recorded) == len(now) and set(recorded) == set(now)


def _plain(text: str) -> str:
    """Without what a formatter of Markdown may change: the width of a table's columns."""
    return re.sub(r"-{3,}", "---", re.sub(r"[ \t]+", " ", text))
