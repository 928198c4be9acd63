"""The runs of one session: those that tests share, those that start together; the session waits for all of
them.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.core.record import canonical_json, text_digest
from pytest_fapo.core.stash import STAGE_KEY
from pytest_fapo.session.capturing import child_request
from pytest_fapo.session.case_items import BoundCase, bound_case
from pytest_fapo.session.execution import Execution, bound_to_thread, copied
from pytest_fapo.session.executor import Executor, is_async
from pytest_fapo.session.fixture_closure import Blocker, Closure, Closures, marks_of, narrow_nodes
from pytest_fapo.session.pipeline_fixture import FixtureLoop, fixture_loop, pipeline_name
from pytest_fapo.session.produced_runs import ProducedExecution, ProducedRuns, producible_in
from pytest_fapo.session.run_output import RunOutput, diverted

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_fapo.capture.recorder import Recorder
    from pytest_fapo.core.case import Case
    from pytest_fapo.session.case_progress import CaseProgress
    from pytest_fapo.session.outage_breaker import OutageBreaker
    from pytest_fapo.session.run_fixture import ItemNotes

RunKey = tuple[Any, ...]

CaseUnit = tuple[str, str, int]
"""A pipeline's fixture, the identity of a case, and the repeat."""

_ROUNDS = 64
"""Runs that start together at most, in each place: until their own tests' turn all that they gave is held in
memory, which Python's garbage collector then looks through."""

_HEAD_START = 5.0
"""Seconds that the first of the runs that start together has at most for itself: what a pipeline imports,
connects to and makes once is there for all others then, and is not made by many threads at once."""

_DRAWING = Blocker("a pipeline draws from the random generator that pytest-randomly seeds before each test")


class Runs:
    """Runs pipelines, each inside the fixtures of its own test.

    Where nothing that ends with one test surrounds them, the runs of pending items start together, and all of
    them are waited for before any test goes on: no fixture is torn down and no environment variable changes
    while a run is under way. Every other run happens in its own test, alone.

    Args:
        concurrency: how many may be under way at once.
        recorder: makes the recorder of an item's run.
        progress: waits for runs that start together, and says how far they are.
        breaker: keeps further runs from beginning where the first ones got no answer.
        first_alone: whether one run of each pipeline begins before the others; not in a process in which
            all is loaded.
        prepare: is called once before runs start together.
    """

    def __init__(
        self,
        concurrency: int,
        recorder: Callable[[pytest.Item, BoundCase, str], Recorder],
        progress: CaseProgress | None = None,
        breaker: OutageBreaker | None = None,
        *,
        first_alone: bool = False,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._first_alone = first_alone
        self._prepare = prepare
        self._begun: set[str] = set()
        """Names of the pipelines of which a run has been made."""
        self._progress = progress
        self._breaker = breaker
        self._concurrency = concurrency
        self._recorder = recorder
        self._executor = Executor(concurrency)
        self._executions: dict[RunKey, Execution] = {}
        self._users: Counter[CaseUnit] | None = None
        """How many items that are not done may look at the runs of a case."""
        self._keys: dict[CaseUnit, set[RunKey]] = {}
        self._done: set[str] = set()
        self._closures = Closures()
        self._alone: Blocker | None = None
        self._in_turn = False
        """True once runs of this session have turned out not to work together."""
        self._uncopied = ""
        self.produced: ProducedRuns | None = None
        """Gives the outputs of runs that another process makes."""

    def close(self) -> None:
        self._executor.close()

    def remarks(self) -> list[str]:
        """Return the reasons why runs happened one at a time, and other remarks for the user, one sentence
        each.
        """
        found = []
        if self._alone is not None:
            remedy = f"; {self._alone.remedy}" if self._alone.remedy else ""
            found.append(f"cases run one at a time, each in its own test: {self._alone.what}{remedy}")
        if self._uncopied:
            found.append(
                f"tests on one case do not share a run: its output cannot be copied ({self._uncopied})"
            )
        return found

    def closure(self, item: Any, bound: BoundCase) -> Closure:
        """Return the fixtures around the item's run."""
        return self._closures.of(item, bound.pipeline)

    def perform(
        self, request: pytest.FixtureRequest, bound: BoundCase, function: Any, notes: ItemNotes, case: Case
    ) -> None:
        """Run the item's pipeline, or take the run that it shares; with the item's own copy of the output."""
        item = request.node
        closure = self.closure(item, bound)
        key = self._key(item, bound, closure)
        execution = self._executions.get(key) if key is not None else None
        if execution is None:
            execution = self._new(item, bound, function, closure, shared=key is not None)
            if key is None:
                execution.case = case
                self._explain(item, closure)
            if key is not None:
                self._share(key, bound, execution)
            if self._run(request, closure, key, execution):
                assert key is not None
                execution = self._new(item, bound, function, closure, shared=True)
                self._share(key, bound, execution)
                self._run(request, closure, key, execution)
        self._hand_over(execution, key, notes)
        if key is not None and not execution.on_fixture_loop and child_request(item.config) is not None:
            notes.producible_in = producible_in(item, bound, closure)

    def done(self, item: Any, execution: Execution | None) -> Execution | None:
        """The item is over: let go of runs that no further item may look at. Gives back what is kept."""
        bound = bound_case(item)
        if bound is None or item.nodeid in self._done:
            return execution
        self._done.add(item.nodeid)
        self._closures.forget(item)
        if self._users is None:
            bounds = map(bound_case, item.session.items)
            self._users = Counter(_case_unit(each) for each in bounds if each is not None)
        unit = _case_unit(bound)
        self._users[unit] -= 1
        if self._users[unit] > 0:
            return execution
        for key in self._keys.pop(unit, ()):
            self._executions.pop(key, None)
        return None

    def _share(self, key: RunKey, bound: BoundCase, execution: Execution) -> None:
        self._executions[key] = execution
        self._keys.setdefault(_case_unit(bound), set()).add(key)

    def forget(self, execution: Execution) -> None:
        """Let the next test that would share the run have a new one."""
        for key in [key for key, each in self._executions.items() if each is execution]:
            del self._executions[key]

    # --- identity ---------------------------------------------------------------------------------------

    def _key(self, item: Any, bound: BoundCase, closure: Closure) -> RunKey | None:
        """Equal for items that share one run; None for an item whose run is its own."""
        if closure.blocker is not None:
            return None
        limit = time_limit(item, bound)
        return (pipeline_name(closure), bound.identity, bound.repeat, limit, closure.identity())

    def _new(
        self, item: Any, bound: BoundCase, function: Any, closure: Closure, *, shared: bool
    ) -> Execution:
        name = pipeline_name(closure)
        fields: dict[str, Any] = {
            "case": bound.case,
            "pipeline": name,
            "recorder": self._recorder(item, bound, name),
            "trace_id": _trace_id(name, bound, closure) if shared else item.nodeid,
            "timeout": bound.timeout,
            "shared": shared,
            "breaker": self._breaker,
        }
        if self.produced is not None and item.nodeid in self.produced.items:
            return self.produced.execution(item, bound, **fields)
        return Execution(function=function, **fields)

    # --- running ----------------------------------------------------------------------------------------

    def _run(
        self, request: pytest.FixtureRequest, closure: Closure, key: RunKey | None, execution: Execution
    ) -> bool:
        """Carry the run out; True where it has to be carried out once more, alone, as those of the others."""
        loop = fixture_loop(request, closure) if not isinstance(execution, ProducedExecution) else None
        execution.on_fixture_loop = loop is not None
        awaited = is_async(execution.function)
        if key is None:
            self._alone_here(execution, loop)
            return False
        # What it returns says where the others have to run.
        concurrent = loop is None or awaited
        together = [execution, *(self._siblings(request.node, closure) if concurrent else ())]
        for each in together:
            each.on_fixture_loop = execution.on_fixture_loop
            each.printed = RunOutput()
        if len(together) == 1:
            with diverted():
                self._alone_here(execution, loop)
            return False
        execution.timeout = key[3]
        seeded = request.config.pluginmanager.hasplugin("randomly")
        before = random.getstate()
        with _timer_stopped(request.node), diverted():
            self._together(together, loop)
        if seeded and random.getstate() != before:
            # Each test begins with the same seed: together, runs take each other's numbers.
            random.setstate(before)
            return self._take_turns(_DRAWING, together, execution)
        bound = {each: why for each in together if not awaited and (why := bound_to_thread(each))}
        return bool(bound) and self._take_turns(_bound(next(iter(bound.values()))), list(bound), execution)

    def _take_turns(self, why: Blocker, failed: Sequence[Execution], execution: Execution) -> bool:
        """Let these runs happen once more, and all from now on alone; True if `execution` is one of them."""
        self._alone, self._in_turn = why, True
        for each in failed:
            self.forget(each)
        return execution in failed

    def _alone_here(self, execution: Execution, loop: FixtureLoop | None) -> None:
        if is_async(execution.function) and loop is not None:
            return self._drive(loop, [execution])
        if execution.timeout is not None and loop is not None:
            return self._in_two_parts(execution, loop)
        if is_async(execution.function) or execution.timeout is not None:
            return self._together([execution], None)
        self._executor.call_here(execution, loop.run_coroutine if loop is not None else None)
        return None

    def _in_two_parts(self, execution: Execution, loop: FixtureLoop) -> None:
        """Call a function that has a time limit; what it returns may have to be awaited on this loop."""
        result = self._executor.returned(execution)
        if execution.done.is_set():
            return
        if inspect.isawaitable(result) or inspect.isasyncgen(result):
            execution.function = lambda *arguments, **keywords: result
            self._drive(loop, [execution])
        else:
            execution.finish(output=result)

    def _together(self, executions: Sequence[Execution], loop: FixtureLoop | None) -> None:
        if loop is not None:
            return self._drive(loop, executions)
        if self._prepare is not None and len(executions) > 1:
            self._prepare()
            self._prepare = None
        first = executions[0]
        try:
            self._executor.submit(first)
            if self._first_alone and len(executions) > 1 and first.pipeline not in self._begun:
                first.done.wait(_HEAD_START)
            self._begun.add(first.pipeline)
            for each in executions[1:]:
                self._executor.submit(each)
            if self._progress is not None:
                self._progress.wait(executions)
            for each in executions:
                each.done.wait()
        except BaseException:
            self._executor.abandon(executions)
            raise
        return None

    def _drive(self, loop: FixtureLoop, executions: Sequence[Execution]) -> None:
        try:
            loop.drive(executions, self._concurrency)
        except BaseException:
            self._executor.abandon(executions)
            raise
        for each in executions:
            each.finish(error=asyncio.CancelledError("the pipeline cancelled itself"))

    # --- siblings ---------------------------------------------------------------------------------------

    def _siblings(self, item: Any, closure: Closure) -> list[Execution]:
        """New runs of the pending items that may start now."""
        if not self._may_start_others(item):
            return []
        around = narrow_nodes(item)
        found = []
        for other, bound in _pending(item):
            theirs = self.closure(other, bound)
            key = self._key(other, bound, theirs)
            if key is None or key in self._executions or not theirs.is_set_up():
                continue
            if not all(node in other.listchain() for node in around) or not _will_run(other):
                continue
            function = theirs.value()
            if callable(function) and is_async(function) == is_async(closure.value()):
                execution = self._new(other, bound, function, theirs, shared=True)
                execution.timeout = key[3]
                self._share(key, bound, execution)
                found.append(execution)
                if len(found) >= _ROUNDS * self._concurrency:
                    break
        return found

    def _may_start_others(self, item: Any) -> bool:
        # Under xdist nobody knows which cases this worker will be given.
        return self._concurrency > 1 and not self._in_turn and not hasattr(item.config, "workerinput")

    def _explain(self, item: Any, closure: Closure) -> None:
        """Note why the runs of pending items do not start together, once."""
        if self._alone is None and self._may_start_others(item) and next(_pending(item), None) is not None:
            self._alone = closure.blocker

    def _hand_over(self, execution: Execution, key: RunKey | None, notes: ItemNotes) -> None:
        notes.execution = execution
        notes.perform = None
        if execution.printed is not None:
            execution.printed.replay()
        notes.output = execution.output
        if execution.uncopied and key is not None:
            self._executions.pop(key, None)
            self._uncopied = self._uncopied or execution.uncopied
        elif execution.shared and execution.error is None:
            notes.output = copied(execution.output)


def _bound(error: str) -> Blocker:
    return Blocker(
        f"in threads, side by side, they fail ({error})", "with concurrency = 1 in [tool.fapo] they begin so"
    )


def _case_unit(bound: BoundCase) -> CaseUnit:
    return bound.pipeline, bound.identity, bound.repeat


def _pending(item: Any) -> Iterator[tuple[Any, BoundCase]]:
    items = item.session.items
    stage = item.stash.get(STAGE_KEY, 0)
    for other in items[items.index(item) + 1 :]:
        bound = bound_case(other)
        if bound is None or other.stash.get(STAGE_KEY, 0) != stage:
            continue
        if "run" in getattr(other, "fixturenames", ()):
            yield other, bound


_NOT_RUN = frozenset({"skip", "skipif", "xfail"})


def _will_run(item: pytest.Item) -> bool:
    """False where a mark of the item says that its body is not run; pytest's own reading of these marks."""
    if not any(mark.name in _NOT_RUN for mark in marks_of(item)):
        return True
    from _pytest.skipping import evaluate_skip_marks, evaluate_xfail_marks

    try:
        xfail = evaluate_xfail_marks(item)
        return evaluate_skip_marks(item) is None and (xfail is None or xfail.run)
    except BaseException:  # a condition that cannot be evaluated: its own set-up will say so
        return False


def _trace_id(name: str, bound: BoundCase, closure: Closure) -> str:
    """Equal for items that share a run, and in every session. No case can be called so that a first run has
    the name of another's repeat or surroundings: these are before the `::`."""
    around = closure.surroundings()
    mark = f"+{text_digest(canonical_json(around))[:8]}" if around else ""
    repeat = "" if bound.repeat == 1 else f"~r{bound.repeat}"
    return f"{name}{mark}{repeat}::{bound.identity}"


def time_limit(item: Any, bound: BoundCase) -> float | None:
    """Return the seconds that the item's run may take: our own limit, and that of pytest-timeout for the
    whole test.
    """
    limits = [bound.timeout, _test_timeout(item)]
    return min((limit for limit in limits if limit is not None), default=None)


def _test_timeout(item: Any) -> float | None:
    settings = _timeout_settings(item)
    return settings.timeout if settings is not None and (settings.timeout or 0) > 0 else None


def _timeout_settings(item: Any) -> Any:
    if not item.config.pluginmanager.hasplugin("timeout"):
        return None
    try:
        from pytest_timeout import _get_item_settings

        return _get_item_settings(item)
    except Exception:  # another version of it
        return None


@contextmanager
def _timer_stopped(item: Any) -> Iterator[None]:
    """A test does not pay with its own time for the runs that start together with its own."""
    settings, hook = _timeout_settings(item), item.config.hook
    if settings is None or not (settings.timeout or 0) > 0 or getattr(item, "cancel_timeout", None) is None:
        yield
        return
    hook.pytest_timeout_cancel_timer(item=item)
    try:
        yield
    finally:
        hook.pytest_timeout_set_timer(item=item, settings=settings)
