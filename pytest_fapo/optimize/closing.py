"""The end of a run: carry out the writing, say what came of it, mark the run finished."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_fapo.artifacts import edits_between
from pytest_fapo.evaluate import Mismatch
from pytest_fapo.gate import newly_failing, newly_passing, of_split
from pytest_fapo.llm.ledger import read_spending
from pytest_fapo.models import LEVELS, SPLITS, Diagnosis, Evaluation, Level, Split
from pytest_fapo.optimize.loop import Stop
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.optimize.run_directory import shown
from pytest_fapo.optimize.standing import Best
from pytest_fapo.optimize.writing import PATCH, Unproven, WriteOutcome, Writer
from pytest_fapo.percents import percent
from pytest_fapo.report import SplitResult, Summary, candidate_line, summary_markdown
from pytest_fapo.report.words import count, listing, one_line

if TYPE_CHECKING:
    from pytest_fapo.optimize.loop import Loop

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 2


class Closing:
    """Makes the summary of a run, however it ended.

    Args:
        request: the run's.
        started: epoch seconds.
    """

    def __init__(self, request: OptimizeRequest, *, started: float) -> None:
        self._request = request
        self._started = started

    def without_loop(self, stop: Stop) -> Summary:
        """The loop never began: nothing to mend, no budget, or a baseline that could not be reproduced."""
        best = Best(self._request.baseline)
        summary = self._summary(stop, best, self._request.baseline)
        if stop.reason == "not-reproduced":
            mismatch = Mismatch.model_validate_json(stop.detail)
            summary.unreproduced, summary.stop_detail = mismatch.nodeids, mismatch.reason
        return self._finish(summary)

    def after_loop(
        self, stop: Stop, loop: Loop, reference: Evaluation, writer: Writer, unproven: Unproven | None = None
    ) -> Summary:
        """Write what was accepted and sum the run up.

        The summary is on disk before a file is touched, so that a run killed in between can still say it.
        """
        accepted = loop.memory.accepted

        def plan(best: Best) -> None:
            planned = self._summary(stop, best, reference.not_counting(best.quoted))
            planned.quoted = sorted(best.quoted)
            self._describe(planned, loop)
            self._apply(planned, WriteOutcome("written", best, shown(self._request.run.path / PATCH)))
            self._request.run.save_text("planned-summary.json", planned.model_dump_json())

        self._request.run.log("writing", files=sorted(loop.best.files), mode=self._request.write)
        outcome = writer.carry_out(loop.best, accepted, interrupted=stop.open, unproven=unproven, plan=plan)
        if outcome.interrupted:
            stop = Stop("interrupted")
        summary = self._summary(stop, outcome.best, reference.not_counting(outcome.best.quoted))
        summary.quoted = sorted(outcome.best.quoted)
        if outcome.writing != "written":
            summary.exit_code = self._exit_code(stop, Best(reference))
        self._describe(summary, loop)
        self._apply(summary, outcome)
        if unproven:
            summary.stop, summary.stop_detail = "unproven", unproven.reason
            summary.unproven = unproven.tests
        return self._finish(summary)

    def _summary(self, stop: Stop, best: Best, before: Evaluation) -> Summary:
        request = self._request
        after = best.evaluation
        splits = [_split_result(before, after, split) for split in SPLITS if before.in_split(split)]
        spending = read_spending(request.budget.spend_file)
        return Summary.model_validate(
            {
                "stop": stop.reason,
                "stop_detail": stop.detail if stop.reason != "not-reproduced" else "",
                "exit_code": self._exit_code(stop, best),
                "target": request.target,
                "tests": sum(item.counts for item in after.items.values()),
                "failing": len(best.failing()),
                "splits": splits,
                "fixed": len(newly_passing(before, after, before.items)),
                "broken": len(newly_failing(before, after, before.items)),
                "spending": spending,
                "optimizer_spending": read_spending(request.budget.spend_file, who="optimizer"),
                "duration": round(time.time() - self._started, 1),
                "run_directory": shown(request.run.path),
                "stand_in": request.stand_in,
                "next_command": "pytest --fapo-resume" if stop.open else "",
            }
        )

    def _exit_code(self, stop: Stop, left: Best) -> int:
        """Says how the tests fare on the tree as it is left: a patch that only lies there mends nothing."""
        if stop.reason == "interrupted":
            return EXIT_INTERRUPTED
        if stop.open:
            return EXIT_FAILED
        return EXIT_OK if left.reaches(self._request.target) else EXIT_FAILED

    def _describe(self, summary: Summary, loop: Loop) -> None:
        summary.candidates = [candidate_line(attempt) for attempt in loop.memory.attempts]
        summary.accepted = len(loop.memory.accepted)
        summary.merged = sum(bool(attempt.verdict.kept) for attempt in loop.memory.attempts)
        summary.rejected = len(loop.memory.attempts) - summary.accepted - summary.merged
        summary.holdout_looks = loop.memory.looks
        summary.pruned = loop.pruned
        if not loop.best.failing():
            return
        diagnosis = loop.closing_diagnosis()
        if summary.stop == "nothing-left":
            summary.stop_detail = _beyond_edits(loop.best, diagnosis)
        summary.levels = [str(left) for left in loop.ladder.left.values()]
        summary.ceiling = _ceiling(diagnosis, self._request.levels)
        if all(name == "playbook" for name in self._request.settings.optimizer):
            levels = self._request.levels
            summary.llm_could_try = [each.label for each in diagnosis.clusters if each.level in levels]

    def _apply(self, summary: Summary, outcome: WriteOutcome) -> None:
        summary.writing = outcome.writing
        summary.files = sorted(outcome.best.files)
        summary.patch = outcome.patch
        summary.conflicts = outcome.conflicts
        if outcome.note:
            summary.stop_detail = " ".join(filter(None, [summary.stop_detail, outcome.note]))
        if outcome.best.files:
            edits = edits_between(self._request.snapshot.store, outcome.best.files)
            summary.artifacts = [edit.address for edit in edits]

    def _finish(self, summary: Summary) -> Summary:
        run = self._request.run
        summary.sections = self._request.hooks.sections(summary)
        run.save_text("summary.json", summary.model_dump_json(indent=1))
        run.save_text("summary.md", summary_markdown(summary))
        if summary.stop not in ("interrupted", "no-answer"):
            run.log("finished", stop=summary.stop, writing=summary.writing)
        return summary


def _split_result(before: Evaluation, after: Evaluation, split: Split) -> SplitResult:
    items = of_split(before, split)
    return SplitResult.model_validate(
        {
            "split": split,
            "tests": sum(before.items[nodeid].counts for nodeid in items),
            "before": before.score(split),
            "after": after.score(split),
            "fixed": len(newly_passing(before, after, items)),
            "broken": len(newly_failing(before, after, items)),
        }
    )


def _ceiling(diagnosis: Diagnosis, levels: Sequence[Level]) -> str:
    """What only a level that may not be edited could mend; empty where nothing of that kind is open."""
    beyond = [cluster for cluster in diagnosis.clusters if cluster.level not in levels]
    if not beyond:
        return ""
    cases = len({case for cluster in beyond for case in cluster.case_ids})
    named = listing(sorted({cluster.level for cluster in beyond}, key=LEVELS.index))
    allowed = listing(levels) or "nothing"
    highest = max(levels, key=LEVELS.index) if levels else "prompt"
    most = diagnosis.ceilings.get(highest)
    bound = f"; train can reach {percent(most)} at most" if most is not None else ""
    need = "needs" if cases == 1 else "need"
    return f"{count(cases, 'case')} {need} edits of level {named}, and only {allowed} may be edited{bound}"


def _beyond_edits(best: Best, diagnosis: Diagnosis) -> str:
    """What is left that no proposal could be made for; empty where proposals were made and did not help."""
    if diagnosis.infrastructure:
        cases = len({finding.case_id for finding in diagnosis.infrastructure})
        reasons = Counter(one_line(finding.evidence, most=160) for finding in diagnosis.infrastructure)
        reason = reasons.most_common(1)[0][0]
        return f"{count(cases, 'case')} failed for a reason that no edit can mend: {reason}"
    if all(item.passed for item in best.evaluation.in_split("train")):
        return "every train case passes, and edits are made from train cases only"
    return ""
