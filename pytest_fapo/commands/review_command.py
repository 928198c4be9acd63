"""`--fapo-review`: a person goes through the patch of a run, change by change.

One review goes from the first question to the written files: ask, prove what was accepted, write.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from pytest_fapo.core.candidate import Verdict
from pytest_fapo.core.errors import ArtifactError, ConfigError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.pytest_terminal import PytestTerminal
from pytest_fapo.core.record import SPLITS
from pytest_fapo.core.stash import COMMAND_KEY
from pytest_fapo.core.text import count, listing, one_line, percents
from pytest_fapo.loop.apply_undo import write_part
from pytest_fapo.loop.change_review import ProvenChanges, Reviewable, ReviewDraft, ReviewProof
from pytest_fapo.loop.objective_results import objective_changes
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.loop.search_state import BestTree, every_case
from pytest_fapo.source.write_back import WriteResult
from pytest_fapo.verdict.case_effect import effect_between
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.views.change_dialogue import Dialogue, answer_counts
from pytest_fapo.views.change_screen import show_lost
from pytest_fapo.views.terminal import Terminal

if TYPE_CHECKING:
    from pytest_fapo.core.evaluation import Evaluation
    from pytest_fapo.core.pytest_terminal import PytestTerminal
    from pytest_fapo.session.fapo_session import FapoSession


def prepare_review(config: pytest.Config, session: FapoSession) -> None:
    """Find the run before the first test.

    Raises:
        FapoError: there is no such run, it left no patch, files have changed since, or another run goes on.
    """
    from pytest_fapo.commands.run_request import gate_policy
    from pytest_fapo.loop.change_review import find_reviewable
    from pytest_fapo.loop.run_folder import RunLock
    from pytest_fapo.views.closing_summary import complete_summary

    gate_policy(config, session.settings)
    name = config.option.fapo_run
    if name is not None and not name.strip():
        raise ConfigError("--fapo-run is empty: give the id of a run, see `fapo runs`")
    if (session.folder / ".fapo").is_dir():
        lock = RunLock(session.folder / ".fapo")
        lock.take()
        config.add_cleanup(lock.release)
    reviewable = find_reviewable(session.root, session.settings.scope, name, folder=session.folder)
    complete_summary(reviewable.run.path)
    config.stash[COMMAND_KEY] = reviewable


def review_changes(
    config: pytest.Config, session: FapoSession, baseline: Evaluation, out: PytestTerminal
) -> int:
    """Ask about each change, prove what was accepted, write it.

    Returns:
        the exit code.
    """
    from pytest_fapo.commands.run_request import make_request, passing_run

    reviewable = config.stash[COMMAND_KEY]
    with passing_run(session, "review") as run:
        request = make_request(config, session, baseline, run=run, snapshot=reviewable.snapshot, proposers=[])
        return review_patch(reviewable, request, out)


_PROVE = "Prove and write what you accepted? [y]es / [n]o, write nothing "

_ALL_THE_SAME = "Write it anyway? [y]es / [b]ack to the changes "

_BACK = "[b]ack to the changes / [q]uit, write nothing "


def review_patch(reviewable: Reviewable, request: OptimizeRequest, out: PytestTerminal) -> int:
    """Ask a person about each change, prove what was accepted, write it.

    Ctrl-C, or the end of the input, before the writing leaves everything as it was, decisions included.

    Args:
        reviewable: the run and its open changes.
        request: this session's results, policy and limits; `run` is a folder for the proof's own records.
        out: where the person is shown the changes and asked.

    Returns:
        the exit code: 0 where every test passes on the files as they are left (or the target is reached).

    Raises:
        FapoError: what was accepted could not be evaluated.
    """
    return _ReviewSession(reviewable, request, out).run()


class _ReviewSession:
    def __init__(self, reviewable: Reviewable, request: OptimizeRequest, out: PytestTerminal) -> None:
        self._reviewable = reviewable
        self._request = request
        self._read_line = out.read_line
        self._terminal = Terminal(out.file, tty=out.tty, color=out.color)
        reference = reviewable.run.load_evaluation("reference.json")
        cases = every_case([request.baseline, *([reference] if reference is not None else [])])
        self._draft = ReviewDraft(reviewable, request, cases)

    def run(self) -> int:
        self._introduce()
        dialogue = Dialogue(self._draft, self._read_line, self._terminal)
        try:
            with ReviewProof(self._request, self._reviewable.result.chance) as proof:
                while True:
                    if not self._decide(dialogue):
                        return self._nothing_written()
                    proven = self._prove(proof)
                    if proven is not None and self._worth_writing(proven):
                        return self._write(proven)
                    if proven is None and not self._ask_yes_no(_BACK, yes="b", no="q"):
                        return self._nothing_written()
        except EOFError:
            self._terminal.line("")
            self._terminal.line(("No one answered: nothing is written or decided.", "bold"))
            return self._exit_code(self._request.baseline)

    def _introduce(self) -> None:
        run, total = self._reviewable.run.path.name, len(self._draft.changes)
        self._terminal.line("")
        self._terminal.line((f"Run {run}: {count(total, 'change')} to decide on.", "bold"))
        if self._reviewable.left_out:
            names = listing(self._reviewable.left_out)
            self._terminal.line((f"Left out, because the files changed since: {names}.", "yellow"))

    # --- deciding -------------------------------------------------------------------------------------

    def _decide(self, dialogue: Dialogue) -> bool:
        """True if something was accepted that is to be proven."""
        came_to_the_end = dialogue.run()
        self._terminal.line("")
        self._terminal.line((answer_counts(self._draft) + ".", "bold"))
        if not self._draft.accepted():
            self._keep_decisions()
            return False
        return came_to_the_end or self._ask_yes_no(_PROVE, yes="y", no="n")

    def _ask_yes_no(self, question: str, *, yes: str, no: str) -> bool:
        for _ in range(5):
            answer = self._read_line(question).strip().lower()[:1]
            if answer in (yes, no):
                return answer == yes
            self._terminal.line(f"Please answer {yes} or {no}.")
        return False

    def _keep_decisions(self) -> None:
        decisions = self._draft.decisions()
        if decisions != self._reviewable.result.decided:
            write_part(self._request.root, self._reviewable.run, {}, decisions)

    def _nothing_written(self) -> int:
        self._terminal.line("Nothing is written.")
        self._say_left(self._draft.decisions() if not self._draft.accepted() else {})
        return self._exit_code(self._request.baseline)

    # --- proving --------------------------------------------------------------------------------------

    def _prove(self, proof: ReviewProof) -> ProvenChanges | None:
        """The proof of what was accepted; None where it does not pass, which is said."""
        terminal = self._terminal
        try:
            files = self._draft.files()
        except ArtifactError as error:
            terminal.line((f"What you accepted does not fit together: {error}", "yellow"))
            return None
        terminal.line("Running the full suite and the held-out cases with everything that you accepted …")
        proven = proof.judge(files, self._draft.accepted())
        if proven.verdict.accepted:
            return proven
        self._say_refused(proven)
        return None

    def _say_refused(self, proven: ProvenChanges) -> None:
        verdict: Verdict = proven.verdict
        self._terminal.line("")
        self._terminal.line(("Not written: " + one_line(verdict.reason), "bold yellow"))
        lost = [
            row for row in effect_between(proven.before, proven.after).rows if row.nodeid in verdict.broken
        ]
        named = {row.nodeid for row in lost}
        rest = [nodeid for nodeid in verdict.broken if nodeid not in named]
        show_lost(lost, rest, verdict.broken_hidden, self._terminal)

    def _worth_writing(self, proven: ProvenChanges) -> bool:
        """True if it fixes something, or the person wants it without that."""
        if proven.gains:
            return True
        graded = self._request.policy.objectives
        lacking = "no objective is better" if graded else "no test passes that failed before"
        self._terminal.line("")
        self._terminal.line(
            (f"Nothing breaks, but {lacking}: ", "bold yellow"),
            _scores(proven.before, proven.after, self._request.policy) + ".",
        )
        return self._ask_yes_no(_ALL_THE_SAME, yes="y", no="b")

    # --- writing --------------------------------------------------------------------------------------

    def _write(self, proven: ProvenChanges) -> int:
        run, terminal = self._reviewable.run, self._terminal
        decisions = self._draft.decisions()
        base = self._reviewable.snapshot.files
        result = write_part(self._request.root, run, self._draft.files(), decisions, base)
        terminal.line("")
        if result.conflicts:
            self._say_conflicts(result)
            return self._exit_code(self._request.baseline)
        quoted = self._reviewable.result.quoted
        before, after = proven.before.not_counting(quoted), proven.after.not_counting(quoted)
        files = listing(sorted(result.written)) or "nothing: the files hold it already"
        terminal.line((f"Changed in your project: {files}", "bold green"))
        terminal.line(_scores(before, after, self._request.policy))
        self._say_left(decisions)
        file = self._request.settings_file
        named = f"{shlex.join(['-c', file])} " if file else ""
        terminal.verbatim(f"Next      git diff    (fapo undo {named}{run.path.name} reverts it)")
        return self._exit_code(after)

    def _say_conflicts(self, result: WriteResult) -> None:
        self._terminal.line(("Nothing is written, because files changed meanwhile:", "bold yellow"))
        for path, reason in sorted(result.conflicts.items()):
            self._terminal.line(f"    {path}: {reason}", indent=8)

    def _say_left(self, decided: Mapping[str, str]) -> None:
        edits = self._reviewable.result.edits
        left = [edit.address for edit in edits if edit.address not in decided]
        if left:
            self._terminal.line(f"Left for later: {listing(left)}. Continue with:")
            self._terminal.verbatim(f"    pytest --fapo-review --fapo-run={self._reviewable.run.path.name}")

    def _exit_code(self, evaluation: Evaluation) -> int:
        return 0 if BestTree(evaluation).passes(self._request.target) else 1


def _scores(before: Evaluation, after: Evaluation, policy: GatePolicy) -> str:
    parts = [str(change) for change in objective_changes(before, after, policy)]
    for split in SPLITS:
        if before.in_split(split):
            first, last = percents(before.score(split), after.score(split))
            parts.append(f"{split} {first} → {last}")
    failing = sum(item.counts and not item.passed for item in after.items.values())
    rest = (
        f"{count(failing, 'test')} still fail" + ("s" if failing == 1 else "")
        if failing
        else "every test passes"
    )
    return ", ".join([*parts, rest])
