"""One evaluation: pytest in the shadow tree, followed line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_fapo.errors import EvaluationError
from pytest_fapo.evaluate.ending import explain_ending
from pytest_fapo.evaluate.gathering import Gathered
from pytest_fapo.evaluate.process import ChildProcess
from pytest_fapo.evaluate.request import EvaluationRequest
from pytest_fapo.evaluate.shadow import ShadowTree
from pytest_fapo.models import Evaluation, ItemResult, Spending

GRACE = 10.0
"""Seconds past the deadline in which the child may still come to an end by itself."""


def evaluate(
    shadow: ShadowTree,
    request: EvaluationRequest,
    *,
    on_item: Callable[[ItemResult], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evaluation:
    """Run pytest on the shadow tree as it stands, in a fresh process.

    What the tests did to the tree is undone afterwards. A child that crashes, hangs, cannot collect or
    refuses its arguments gives an incomplete evaluation that says why, not an exception.

    Args:
        shadow: the tree, with or without a patch applied.
        request: arguments, stages, limits.
        on_item: called with each item's verdict while the run goes on.
        cancelled: asked now and then; once it says yes, the child is ended.

    Raises:
        EvaluationError: a watched path leads out of the tree, or the run was cancelled.
        KeyboardInterrupt: after the child and all that it started were ended.
    """
    begin = time.time()
    places = {shadow.place_of(path): path for path in request.watch}
    request = request.model_copy(update={"watch": list(places)})
    shadow.mark_unread(places)
    before = _spending(request)
    child = ChildProcess(shadow, request)
    gathered = Gathered(shadow, on_item)
    try:
        stopped = _follow(child, gathered, _ends(request, begin), cancelled or _never)
    except BaseException:
        child.stop()
        raise
    else:
        child.sweep()
        child.prepare_next(gathered.modules)
        read = [place for place in places if shadow.was_read(place)]
    finally:
        shadow.clean()
    exit_code = child.returncode or 0
    stopped = stopped or explain_ending(gathered, exit_code, child.last_output())
    return gathered.evaluation(
        spending=_spending_since(request, before) or gathered.spending(),
        exit_code=exit_code,
        complete=not stopped,
        stopped=stopped,
        loaded_files=sorted(places[place] for place in {*child.noted("loaded"), *read}),
        outside_files=child.noted("outside"),
        notes=[*_notes(child), *(f"not readable, so not copied: {path}" for path in shadow.unreadable)],
        duration=time.time() - begin,
    )


def check_loaded(evaluation: Evaluation, files: Sequence[str]) -> list[str]:
    """Those of the edited files that the evaluation never read: an edit of them is inert."""
    loaded = set(evaluation.loaded_files)
    return [path for path in files if path not in loaded]


def _never() -> bool:
    return False


def _follow(
    child: ChildProcess,
    gathered: Gathered,
    ends: Sequence[tuple[float, str]],
    cancelled: Callable[[], bool],
) -> str:
    """Take in the child's lines until it ends; why it was ended from here, else empty.

    The child is not asked to watch the time: C code that keeps the interpreter's lock would not let it.
    """
    while child.returncode is None:
        if cancelled():
            raise EvaluationError("the evaluation was cancelled")
        for line in child.lines():
            gathered.take(line)
        for end, after in ends:
            if time.time() > end:
                child.stop()
                where = f" while {gathered.running} was running" if gathered.running else ""
                _take_rest(child, gathered)
                return f"time limit: the tests were ended{after}{where}"
        child.wait_a_moment()
    _take_rest(child, gathered)
    return ""


def _take_rest(child: ChildProcess, gathered: Gathered) -> None:
    for line in child.lines():
        gathered.take(line)


def _ends(request: EvaluationRequest, begin: float) -> list[tuple[float, str]]:
    """When the child is ended, and how that is put; the run's deadline first: it is no fault of the tree."""
    deadline, timeout = request.allotment.deadline, request.timeout
    ends = [(deadline + GRACE, "")] if deadline is not None else []
    return ends + ([(begin + timeout, f" after {timeout:,.3g} s")] if timeout is not None else [])


def _spending(request: EvaluationRequest) -> Spending | None:
    if not request.spend_file:
        return None
    from pytest_fapo.llm.spending import read_spending

    return read_spending(Path(request.spend_file))


def _spending_since(request: EvaluationRequest, before: Spending | None) -> Spending | None:
    now = _spending(request)
    return None if now is None or before is None else now - before


def _notes(child: ChildProcess) -> list[str]:
    return [
        *(f"refused: writing to {path}" for path in child.noted("refused")),
        *(f"read from the project itself, not from its copy: {path}" for path in child.noted("real")),
    ]
