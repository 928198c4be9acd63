"""What the user sees while the loop runs: a live display on a terminal, calm plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import update_wrapper
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TextIO

from pytest_fapo.models import Attempt, Candidate, ItemResult, Spending, Split
from pytest_fapo.percents import percent
from pytest_fapo.report.attempts import candidate_parts, what
from pytest_fapo.report.dashboard import Standing, dashboard
from pytest_fapo.report.details import attempt_details
from pytest_fapo.report.terminal import Part, Terminal
from pytest_fapo.report.words import count, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

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
    """Tells the user what the loop does; a context manager. No method of it ever raises.

    On a terminal a few lines at the foot of the screen are kept up to date, and each candidate leaves one
    line. Elsewhere (a CI log) there are only whole lines: no carriage return, nothing that repeats itself.

    Args:
        file: where to write; pytest's own terminal stream, not the captured stdout.
        tty: whether `file` is a terminal whose lines may be rewritten.
        verbosity: pytest's: below 0 only the candidates' lines, above 0 also stages and details.
        color: whether ANSI colours may be written.
        width: columns; asked of the terminal where not given.
        clock: seconds, for the elapsed time.
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
    ) -> None:
        self._terminal = Terminal(file, tty=tty, color=color, width=width)
        self._verbosity = verbosity
        self._clock = clock
        self._started = self._last_line = clock()
        self._standing = Standing()
        self._splits: dict[str, Split | None] = {}
        self._iteration = 0
        self._live: Live | None = None
        self._said = ""
        self.failure: Exception | None = None
        """What went wrong in the display, if anything did; it is silent from then on."""

    def __enter__(self) -> Progress:
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    @_harmless
    def note(self, text: str) -> None:
        """Say something once, in a line of its own."""
        if self._verbosity >= 0:
            self._say(text)

    @_harmless
    def iteration(self, number: int, *, best: Mapping[Split, float | None]) -> None:
        """A new iteration begins.

        Args:
            number: 1 for the first.
            best: scores of the best tree so far, 0 to 1; holdout is never shown here.
        """
        scores = [f"{split} {percent(best.get(split))}" for split in ("train", "val") if split in best]
        self._iteration = number
        self._standing.headline = " · ".join([f"iteration {number}", *scores])
        self._standing.trying = self._standing.stage = ""
        if self._plain:
            self._say(f"iteration {number}: {', '.join(scores)}" if scores else f"iteration {number}")

    @_harmless
    def trying(self, candidate: Candidate) -> None:
        """A candidate is about to be judged."""
        self._standing.trying = f"trying {candidate.id} {what(candidate)}"

    @_harmless
    def stage(self, name: str, *, total: int) -> None:
        """A stage of an evaluation begins.

        Args:
            name: as the user reads it, `train`.
            total: items that it will judge; 0 where that is not known.
        """
        self._standing.begin(name, total)
        if self._plain and (self._verbosity > 0 or not self._iteration):
            self._say(f"{name}: {count(total, 'test')}" if total else name)

    @_harmless
    def item(self, result: ItemResult) -> None:
        """An item of the present stage has its verdict."""
        self._standing.seen.add(result.nodeid)
        self._splits[result.nodeid] = result.split
        if self._plain and self._clock() - self._last_line >= HEARTBEAT:
            self._say(f"still at work: {self._standing.progress()}, {self._standing.spent()}")

    @_harmless
    def spending(self, spending: Spending) -> None:
        """What the run has spent from its beginning until now (a total, not an increment)."""
        self._standing.spending = spending

    @_harmless
    def attempt(self, attempt: Attempt) -> None:
        """A candidate has its verdict: the one line about it."""
        if attempt.verdict.accepted:
            self._standing.accepted += 1
        elif not attempt.verdict.kept:
            self._standing.rejected += 1
        self._standing.trying = self._standing.stage = ""
        self._write(candidate_parts(attempt), indent=3)
        if self._verbosity > 0:
            for line in attempt_details(attempt, self._splits):
                self._write([(f"   {line}", "dim")], indent=5)

    @_harmless
    def pause(self) -> None:
        """Take the live display away, for a question or at the end."""
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
            return dashboard(self._standing, self._terminal, self._clock() - self._started)
        except Exception as error:  # in rich's refresh thread nobody else would catch it
            self.failure = error
            return ""

    def _say(self, text: str) -> None:
        line = one_line(text)
        if line != self._said:
            self._said = line
            self._write([line])

    def _write(self, parts: list[Part], indent: int = 0) -> None:
        self._last_line = self._clock()
        self._terminal.line(*parts, indent=indent)
