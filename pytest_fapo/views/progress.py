"""Show the progress of the loop: a live display on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TextIO

from pytest_fapo.core.candidate import Attempt
from pytest_fapo.core.evaluation import ItemResult
from pytest_fapo.core.printable import Part
from pytest_fapo.core.record import Split
from pytest_fapo.core.spending import Spending, for_judges, money
from pytest_fapo.core.text import count, duration, listing, one_line, percent, score_text
from pytest_fapo.loop.events import (
    CandidateJudged,
    CandidateProposed,
    ChoiceRefused,
    Event,
    ItemFinished,
    IterationBegan,
    MetricsUnjudged,
    NoProposal,
    Note,
    Notice,
    SpendingChanged,
    StageBegan,
    TreeDiagnosed,
    WritingBegan,
)
from pytest_fapo.loop.run_summary import candidate_parts, candidate_title
from pytest_fapo.views.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.live import Live
    from rich.text import Text

    from pytest_fapo.loop.optimize_request import Budget


@dataclass
class RunState:
    """The present state of the run; `Progress` keeps it up to date."""

    headline: str = ""
    trying: str = ""
    stage: str = ""
    total: int = 0
    seen: set[str] = field(default_factory=set)
    """Node ids that have a verdict: a rerun of a test, or a second candidate beside it, is not one more."""
    causes: int | None = None
    """Causes of failures that are left; None where nothing is diagnosed yet."""
    began: float = 0.0
    """When the stage began, by the display's clock."""
    max_calls: int | None = None
    max_cost: float | None = None
    """USD."""
    deadline: float | None = None
    """By the display's clock."""
    accepted: int = 0
    rejected: int = 0
    spending: Spending = field(default_factory=Spending)

    @property
    def done(self) -> int:
        """Return how many tests of the stage have a verdict, never more than there are."""
        return min(len(self.seen), self.total) if self.total else len(self.seen)

    def begin(self, stage: str, total: int) -> None:
        self.stage, self.total, self.seen = stage, total, set()

    def progress(self) -> str:
        """`train 34 of 90`, or `train 34` where the total is not known."""
        return f"{self.stage} {self.done} of {self.total}" if self.total else f"{self.stage} {self.done}"

    def spent(self) -> str:
        """`212 calls · 1,034 from the cache · $0.42`; tokens stand in for a price that is not known."""
        spending = self.spending
        parts = [
            f"{count(spending.calls, 'call')}{for_judges(spending.test_calls)}",
            f"{spending.cache_hits:,} from the cache{for_judges(spending.test_cache_hits)}",
        ]
        if spending.cost:
            parts.append(f"{money(spending.cost)}{for_judges(spending.test_cost)}")
        if spending.calls and (spending.unpriced_models or not spending.cost):
            total = spending.usage.input_tokens + spending.usage.output_tokens
            if total:  # streams often say nothing of them
                parts.append(count(total, "token"))
        return " · ".join(parts)

    def verdicts(self) -> str:
        return f"{self.accepted} accepted, {self.rejected} rejected"

    def limits(self, now: float) -> list[str]:
        """Return `$0.42 of $2.00`, `212 of 500 calls`, `12:30 left`: what the limits leave."""
        parts = []
        if self.max_cost is not None:
            parts.append(f"{money(self.spending.cost)} of {money(self.max_cost)}")
        if self.max_calls is not None:
            parts.append(f"{self.spending.calls:,} of {count(self.max_calls, 'call')}")
        if self.deadline is not None:
            parts.append(f"{duration(self.deadline - now)} left")
        return parts

    def stage_left(self, now: float) -> str:
        """Return ` · 0:40 left`: how long the stage will go on at its pace; empty where that is not known."""
        if not self.total or not self.done or self.done >= self.total:
            return ""
        return f" · {duration((now - self.began) / self.done * (self.total - self.done))} left"


def live_display(state: RunState, terminal: Terminal, elapsed: float, now: float = 0.0) -> Group:
    """Return the live display: what is tried, a bar for the stage, what was spent and what the limits leave.

    Args:
        state: of the run.
        terminal: where it is shown.
        elapsed: seconds since the run began.
        now: by the display's clock.
    """
    from rich.console import Group

    left = f"{count(state.causes, 'cause')} left" if state.causes and state.headline else ""
    head = " · ".join(part for part in (state.headline, left, state.trying) if part)
    foot = " · ".join((state.spent(), state.verdicts(), duration(elapsed), *state.limits(now)))
    lines = [terminal.text((head, "bold"))] if head else []
    if state.stage:
        lines.append(_stage_bar(state, terminal, now))
    lines.append(terminal.text((foot, "dim")))
    return Group(*lines)


def _stage_bar(state: RunState, terminal: Terminal, now: float) -> Text:
    label = f" {state.progress()}{state.stage_left(now)}"
    if not state.total:
        return terminal.text(label.strip())
    room = max(5, min(40, terminal.width - len(label) - 1))
    filled = room * state.done // state.total
    return terminal.text(("━" * filled, "green"), ("─" * (room - filled), "dim"), label)


_NAMED = ("train", None)
"""Splits whose node ids may be named; None is for the suite's other tests, which belong to no split."""


def attempt_details(attempt: Attempt, splits: Mapping[str, Split | None]) -> list[str]:
    """Return the hypothesis, the findings aimed at, the review's other remarks, what was fixed and broken.

    Args:
        attempt: the candidate with its review and verdict.
        splits: split of each node id seen so far; a node id that is not in it is counted, not named.
    """
    candidate, verdict = attempt.candidate, attempt.verdict
    aim = f"aims at {count(len(candidate.targets), 'failing case')}"
    cluster = f" of {candidate.cluster}" if candidate.cluster else ""
    lines = [
        f"{one_line(candidate.hypothesis)}",
        f"{aim}{cluster}; {candidate.level} level, by {candidate.proposer}",
    ]
    lines += [
        f"review {'objects' if problem.blocks else 'remarks'}: {problem.check}: {one_line(problem.message)}"
        for problem in attempt.review.problems
    ]
    lines += _listed("fixed", verdict.fixed, 0, splits)
    lines += _listed("broken", verdict.broken, verdict.broken_hidden, splits)
    return [line for line in lines if line]


def _listed(word: str, nodeids: Iterable[str], hidden: int, splits: Mapping[str, Split | None]) -> list[str]:
    everything = sorted(nodeids)
    named = [nodeid for nodeid in everything if nodeid in splits and splits[nodeid] in _NAMED]
    lines = [f"{word}: {nodeid}" for nodeid in named]
    rest = len(everything) - len(named) + hidden
    if rest:
        lines.append(f"{word}: {count(rest, 'case')} in val or holdout")
    return lines


def _unjudged(metrics: Sequence[str]) -> str:
    names = listing([f"'{name}'" for name in metrics])
    measures = "measures" if len(metrics) == 1 else "measure"
    return (
        f"not judged: {names}, since two runs on the same recorded answers differ; what {measures} time "
        f"belongs on llm_calls[i].duration, which a replay keeps"
    )


HEARTBEAT = 60.0
"""Seconds of silence after which a log gets a line, so that no CI takes the run for dead."""

P = ParamSpec("P")


def _harmless(method: Callable[Concatenate[Progress, P], None]) -> Callable[Concatenate[Progress, P], None]:
    """The display is never worth a run: what goes wrong in it ends the display and nothing else."""

    def guarded(self: Progress, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.failure is not None:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.failure = error

    update_wrapper(guarded, method)
    return guarded


class Progress:
    """Tells the user what happens in a run; a listener of its journal and a context manager. It never raises.

    On a terminal a few lines at the foot of the screen are kept up to date, and each candidate leaves one
    line. Elsewhere (a CI log) there are only whole lines: no carriage return, nothing that repeats itself.

    Args:
        file: where to write; pytest's own terminal stream, not the captured stdout.
        tty: whether `file` is a terminal whose lines may be rewritten.
        verbosity: pytest's: below 0 only the candidates' lines, above 0 also stages and details.
        color: whether ANSI colors may be written.
        width: columns; asked of the terminal where not given.
        clock: seconds, for the elapsed time.
        budget: the limits that the run has.
    """

    def __init__(
        self,
        file: TextIO,
        *,
        tty: bool = False,
        verbosity: int = 0,
        color: bool = False,
        width: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        budget: Budget | None = None,
    ) -> None:
        self._terminal = Terminal(file, tty=tty, color=color, width=width)
        self._verbosity = verbosity
        self._clock = clock
        self._started = self._last_line = clock()
        self._state = RunState()
        if budget is not None:
            left = None if budget.deadline is None else clock() + budget.deadline - time.monotonic()
            self._state.max_calls, self._state.max_cost = budget.max_calls, budget.max_cost
            self._state.deadline = left
        self._splits: dict[str, Split | None] = {}
        self._iteration = 0
        self._live: Live | None = None
        self._last_text = ""
        self.failure: Exception | None = None
        """The error of the display, if any; it is silent from then on."""

    def __enter__(self) -> Progress:
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    @_harmless
    def __call__(self, what: Event | Notice) -> None:
        """Hear what happens; a run's journal tells it."""
        match what:
            case Note():
                self._note(what.text)
            case MetricsUnjudged():
                self._note(_unjudged(what.metrics))
            case IterationBegan():
                self._iteration_began(what)
            case TreeDiagnosed():
                self._diagnosed(len(what.clusters))
            case CandidateProposed():
                self._state.trying = f"trying {what.candidate.id} {candidate_title(what.candidate)}"
            case StageBegan():
                self._stage_began(what.name, what.total)
            case ItemFinished():
                self._item_finished(what.result)
            case SpendingChanged():
                self._state.spending = what.spending
            case CandidateJudged() | NoProposal():
                self._judged(what.attempt)
            case WritingBegan():
                self._take_away()  # the user may be asked now
            case ChoiceRefused():
                self._say(f"{what.reason[:1].upper()}{what.reason[1:]}: nothing is written.")

    def _note(self, text: str) -> None:
        if self._verbosity >= 0:
            self._say(text)

    def _diagnosed(self, causes: int) -> None:
        self._state.causes = causes
        if self._plain and self._verbosity > 0:
            self._say(f"{count(causes, 'cause')} of failures left")

    def _iteration_began(self, event: IterationBegan) -> None:
        number, best = event.number, event.scores
        scores = [
            f"{name} {split} {score_text(mean)}"
            for name, means in event.objectives.items()
            for split, mean in means.items()
            if mean is not None
        ]
        shares = {split: best[split] for split in ("train", "val") if split in best}
        if not scores or any(share not in (None, 1.0) for share in shares.values()):
            scores += [f"{split} {percent(share)}" for split, share in shares.items()]
        self._iteration = number
        self._state.headline = " · ".join([f"iteration {number}", *scores])
        self._state.trying = self._state.stage = ""
        if self._plain:
            self._say(f"iteration {number}: {', '.join(scores)}" if scores else f"iteration {number}")

    def _stage_began(self, name: str, total: int) -> None:
        self._state.begin(name, total)
        self._state.began = self._clock()
        if self._plain and (self._verbosity > 0 or not self._iteration):
            self._say(f"{name}: {count(total, 'test')}" if total else name)

    def _item_finished(self, result: ItemResult) -> None:
        self._state.seen.add(result.nodeid)
        self._splits[result.nodeid] = result.split
        if self._plain and self._clock() - self._last_line >= HEARTBEAT:
            self._say(f"still running: {self._state.progress()}, {self._state.spent()}")

    def _judged(self, attempt: Attempt) -> None:
        if attempt.verdict.accepted:
            self._state.accepted += 1
        elif not attempt.verdict.kept:
            self._state.rejected += 1
        self._state.trying = self._state.stage = ""
        self._write(candidate_parts(attempt), indent=3)
        if self._verbosity > 0:
            for line in attempt_details(attempt, self._splits):
                self._write([(f"   {line}", "dim")], indent=5)

    @_harmless
    def pause(self) -> None:
        """Take the live display away."""
        self._take_away()

    def _take_away(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    @_harmless
    def resume(self) -> None:
        """Bring the live display (back) where there is one."""
        if self._live is not None or not self._terminal.tty or self._verbosity < 0:
            return
        from rich.live import Live

        console = self._terminal.console
        self._live = Live(
            get_renderable=self._dashboard,
            console=console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        # rich hides the cursor; a killed run would leave the user's terminal without one.
        console.show_cursor(True)

    @property
    def _plain(self) -> bool:
        return self._verbosity >= 0 and not self._terminal.tty

    def _dashboard(self) -> RenderableType:
        try:
            now = self._clock()
            return live_display(self._state, self._terminal, now - self._started, now)
        except Exception as error:  # in rich's refresh thread nobody else would catch it
            self.failure = error
            return ""

    def _say(self, text: str) -> None:
        line = one_line(text)
        if line != self._last_text:
            self._last_text = line
            self._write([line])

    def _write(self, parts: list[Part], indent: int = 0) -> None:
        self._last_line = self._clock()
        self._terminal.line(*parts, indent=indent)
