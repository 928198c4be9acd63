"""One evaluation: run pytest in the shadow tree, follow its output, and explain why it is incomplete."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_fapo.capture.redaction import redacted
from pytest_fapo.core.errors import EvaluationError
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.text import listing
from pytest_fapo.shadow.child_process import ChildProcess
from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.shadow_tree import ShadowTree


class GatheredResults:
    """The child's reports so far.

    Args:
        shadow: the tree that it runs in; its path is told back as the real one.
        on_item: called with each verdict.
    """

    def __init__(self, shadow: ShadowTree, on_item: Callable[[ItemResult], None] | None) -> None:
        self._evaluation = Evaluation()
        self.collected: list[str] | None = None
        self.missing: list[str] = []
        self.uncollected: list[str] = []
        self.running = ""
        self.dropped_at = ""
        self.dropped_because = ""
        self.ended = False
        self.modules: list[str] = []
        self._on_item = on_item
        self._shadow_path, self._real_path = _as_in_json(shadow.path), _as_in_json(shadow.root)

    def take(self, text: bytes) -> None:
        """Take in one line of the results file.

        Raises:
            ValueError, LookupError, TypeError, RecursionError: it is none that a child of ours writes.
        """
        line = json.loads(text.replace(self._shadow_path, self._real_path))
        kind = line["kind"]
        if kind == "item":
            item = self._evaluation.take(line["record"])
            if self._on_item is not None:
                self._on_item(item)
        elif kind == "start":
            self.running = line["nodeid"]
        elif kind == "collected":
            self.collected, self.missing = line["nodeids"], line["missing"]
        elif kind == "uncollected":
            self.uncollected.append(line["text"] or line["nodeid"])
        elif kind == "dropped":
            self.dropped_at, self.dropped_because = line["stage"], line["reason"]
        elif kind == "end":
            self.ended, self.running, self.modules = True, "", line["modules"]

    @property
    def items(self) -> dict[str, ItemResult]:
        """The verdicts so far, by node id."""
        return self._evaluation.items

    @property
    def without_verdict(self) -> list[str]:
        """The selected items that have none."""
        return [nodeid for nodeid in self.collected or () if nodeid not in self.items]

    def evaluation(self, **fields: Any) -> Evaluation:
        """Return the record of the run; `fields` are those that the lines do not tell."""
        return self._evaluation.model_copy(update={"dropped_at": self.dropped_at, **fields})

    def spending(self) -> Spending:
        """Calls and tokens as the traces tell them."""
        total = Spending()
        for call in (call for trace in self._evaluation.traces.values() for call in trace.llm_calls):
            if call.cache_hit:
                total.cache_hits += 1
            else:
                total.calls += 1
                total.usage += call.usage
        for call in (call for item in self._evaluation.items.values() for call in item.test_calls):
            if call.cache_hit:
                total.cache_hits += 1
                total.test_cache_hits += 1
            else:
                total.calls += 1
                total.test_calls += 1
                total.usage += call.usage
        return total


def _as_in_json(path: Path) -> bytes:
    return json.dumps(os.fspath(path))[1:-1].encode()


_INTERRUPTED, _INTERNAL_ERROR, _USAGE_ERROR, _NOTHING_COLLECTED = 2, 3, 4, 5

_NAMED = 5


def explain_ending(gathered: GatheredResults, returncode: int, output: str) -> str:
    """Return why the run is incomplete; empty for a complete one.

    Args:
        gathered: what the child has reported.
        returncode: its exit code, negative for a signal.
        output: the last lines that it printed.
    """
    return redacted(_ending_reason(gathered, returncode, output))


def _ending_reason(gathered: GatheredResults, returncode: int, output: str) -> str:
    if gathered.uncollected:
        return "collection failed: " + _first_lines(gathered.uncollected[0])
    if gathered.dropped_at:
        return gathered.dropped_because
    if not gathered.ended:
        return _death_reason(gathered, returncode, output)
    if returncode == _INTERNAL_ERROR:
        return f"pytest stopped with an internal error:\n{output}"
    if returncode == _USAGE_ERROR:
        return f"pytest refused to start:\n{output}"
    if gathered.missing:
        return f"no longer collected: {listing(gathered.missing, most=_NAMED)}"
    if not gathered.collected:
        return f"no test was collected:\n{output}"
    if gathered.without_verdict:
        how = "was interrupted" if returncode == _INTERRUPTED else "stopped"
        return (
            f"pytest {how} before {listing(gathered.without_verdict, most=_NAMED)} had a verdict:\n{output}"
        )
    return ""


def _death_reason(gathered: GatheredResults, returncode: int, output: str) -> str:
    if returncode < 0:
        how = f"was killed by {_signal_name(-returncode)}"
    else:
        how = f"ended without finishing (exit code {returncode})"
    where = f" while {gathered.running} was running" if gathered.running else ""
    return f"the test process {how}{where}:\n{output}".rstrip(":\n")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _first_lines(text: str) -> str:
    """Return the lines that say what went wrong: those marked `E`, else the last ones."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    errors = [line[1:].strip() for line in lines if line.startswith("E  ")]
    return "\n".join(errors[-6:] or lines[-3:])


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
    begin = time.monotonic()
    copies = {shadow.place_of(path): path for path in request.watch}
    request = request.model_copy(update={"watch": list(copies)})
    shadow.mark_unread(copies)
    before = _spending(request)
    child = ChildProcess(shadow, request)
    gathered = GatheredResults(shadow, on_item)
    try:
        stopped = _follow(child, gathered, _time_limit(request), cancelled or _is_never_true)
    except BaseException:
        child.stop()
        child.discard()
        raise
    else:
        child.sweep()
        if request.cage is None:  # what a candidate's process says is not to be loaded outside of its cage
            child.prepare_next(gathered.modules)
        read = [place for place in copies if shadow.was_read(place)]
    finally:
        shadow.clean()
    exit_code = child.returncode or 0
    stopped = stopped or explain_ending(gathered, exit_code, child.last_output())
    evaluation = gathered.evaluation(
        spending=_spending_since(request, before) or gathered.spending(),
        exit_code=exit_code,
        complete=not stopped,
        stopped=stopped,
        loaded_files=sorted(copies[place] for place in {*child.noted("loaded"), *read}),
        outside_files=child.noted("outside"),
        reach=[
            f"{kind} {text}" for kind in ("connect", "program", "read", "write") for text in child.noted(kind)
        ],
        notes=[*_notes(child), *(f"not readable, so not copied: {path}" for path in shadow.unreadable)],
        duration=time.monotonic() - begin,
    )
    child.discard()
    return evaluation


def check_loaded(evaluation: Evaluation, files: Sequence[str]) -> list[str]:
    """Return those of the edited files that the evaluation never read: an edit of them is inert."""
    loaded = set(evaluation.loaded_files)
    return [path for path in files if path not in loaded]


def _is_never_true() -> bool:
    return False


def _follow(
    child: ChildProcess,
    gathered: GatheredResults,
    ends: Sequence[tuple[float, str]],
    cancelled: Callable[[], bool],
) -> str:
    """Take in the child's lines until it ends; why it was ended from here, else empty.

    The child is not asked to watch the time: C code that keeps the interpreter's lock would not let it.
    """
    ended = False
    try:
        while not ended:
            ended = child.returncode is not None
            if not ended and cancelled():
                raise EvaluationError("the evaluation was cancelled")
            for line in child.lines():
                gathered.take(line)
            if not ended and child.fills_the_disk():
                child.stop()
                return "the tests were ended: they took more than half of the room that the disk had"
            for end, after in () if ended else ends:
                if time.monotonic() > end:
                    child.stop()
                    where = f" while {gathered.running} was running" if gathered.running else ""
                    for line in child.lines():
                        gathered.take(line)
                    return f"time limit: the tests were ended{after}{where}"
            child.wait_a_moment()
    except (ValueError, LookupError, TypeError, RecursionError):
        child.stop()
        return "something else than pytest-fapo wrote into the results of the tests"
    return ""


def _time_limit(request: EvaluationRequest) -> list[tuple[float, str]]:
    """When the child is ended, and how that is put; the run's deadline first: it is no fault of the tree.

    By a clock that nobody sets: a candidate must not fail because the system's clock was put right meanwhile.
    """
    deadline, timeout, now = request.allotment.deadline, request.timeout, time.monotonic()
    ends = [(deadline + GRACE, "")] if deadline is not None else []
    return ends + ([(now + timeout, f" after {timeout:,.3g} s")] if timeout is not None else [])


def _spending(request: EvaluationRequest) -> Spending | None:
    if not request.spend_file:
        return None
    from pytest_fapo.answers.spend_file import read_spending

    return read_spending(Path(request.spend_file))


def _spending_since(request: EvaluationRequest, before: Spending | None) -> Spending | None:
    now = _spending(request)
    return None if now is None or before is None else now - before


def _notes(child: ChildProcess) -> list[str]:
    return [
        *(f"refused: writing to {path}" for path in child.noted("refused")),
        *(f"read from the project itself, not from its copy: {path}" for path in child.noted("real")),
        *(
            f"refused: connecting to {target}"
            for target in (child.connections.refused if child.connections else ())
        ),
        *(child.desk.remarks() if child.desk is not None else ()),
    ]
