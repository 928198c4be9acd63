"""What was accepted, evaluated together: the whole suite and the held-out cases, as for any candidate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from pytest_fapo.errors import BudgetExceeded, FapoError, NoAnswer
from pytest_fapo.evaluate import reproduced
from pytest_fapo.gate import Chance, judge_suite, newly_passing
from pytest_fapo.models import Candidate, Edit, Evaluation, Verdict
from pytest_fapo.optimize import OptimizeRequest
from pytest_fapo.optimize.budget import unrecorded
from pytest_fapo.optimize.evaluator import Evaluator
from pytest_fapo.report import Progress
from pytest_fapo.report.words import count

_UNPROVEN = "what you accepted could not be proven"


@dataclass(frozen=True)
class Proven:
    """The accepted changes' verdict with the evaluations that it compares."""

    before: Evaluation
    after: Evaluation
    verdict: Verdict

    @property
    def gains(self) -> bool:
        """Whether a test passes that failed before."""
        return bool(newly_passing(self.before, self.after, self.before.items))


class Proof:
    """Judges what a person accepted; a context manager.

    Args:
        request: what this session's tests gave, policy, limits.
        chance: changes that the run's fresh samples have shown to be luck; they decide nothing here either.
    """

    def __init__(self, request: OptimizeRequest, chance: Iterable[tuple[str, str]] = ()) -> None:
        self._request = request
        self._chance: Chance = frozenset(chance)
        self._progress = Progress(request.file, tty=request.tty, verbosity=-1, color=request.color)
        self._evaluator = Evaluator(request, self._progress)
        self._reference: Evaluation | None = None

    def __enter__(self) -> Proof:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._evaluator.__exit__(kind, error, trace)

    def judge(self, files: Mapping[str, bytes], edits: Sequence[Edit]) -> Proven:
        """Evaluate the files on everything that has to be proven, and ask the gate.

        What passes beside this session's own results is proven. Where something does not, or where tests ran
        that this session did not select, an unpatched copy of the project is evaluated too, and decides.

        Raises:
            FapoError: a copy of the project does not give this session's results, or a budget is used up.
        """
        try:
            with self._progress:
                return self._judge(files, edits)
        except (BudgetExceeded, NoAnswer) as error:
            raise FapoError(f"{_UNPROVEN}: {error}") from None

    def _judge(self, files: Mapping[str, bytes], edits: Sequence[Edit]) -> Proven:
        if self._reference is None and self._request.baseline.outage:
            self._reference = self._unpatched()  # this session's own results are no results
        proven = self._against(self._reference or self._request.baseline, files, edits)
        if self._reference is None and not (proven.verdict.accepted and self._covers(proven.after)):
            self._reference = self._unpatched()
            proven = self._against(self._reference, files, edits)
        return proven

    def _against(self, before: Evaluation, files: Mapping[str, bytes], edits: Sequence[Edit]) -> Proven:
        excused = {name for metric, name in self._chance if not metric}
        after = self._evaluator.proof(files, before, excused, fresh=True)
        _check_answered(after)
        verdict = judge_suite(before, after, policy=self._request.policy, chance=self._chance)
        if verdict.accepted:
            candidate = Candidate(
                id="review",
                edits=list(edits),
                hypothesis="accepted by a person",
                proposer="person",
                technique="review",
            )
            verdict = self._request.hooks.gate(candidate, before, after, verdict)
        return Proven(before, after, verdict)

    def _covers(self, after: Evaluation) -> bool:
        """Whether this session ran every test that has to be proven."""
        return after.items.keys() <= self._request.baseline.items.keys()

    def _unpatched(self) -> Evaluation:
        evaluation = self._evaluator.reference()
        _check_answered(evaluation)
        mismatch = reproduced(self._request.baseline.answered, evaluation, self._request.root)
        if mismatch is not None:
            raise FapoError(
                f"a copy of the project does not give the results of this run, so nothing can be proven: "
                f"{mismatch.reason}"
            )
        return evaluation


def _check_answered(evaluation: Evaluation) -> None:
    """What the cache kept from its answers has proven nothing."""
    missing = unrecorded(evaluation)
    if missing:
        tests = count(len(missing), "test")
        raise FapoError(f"{_UNPROVEN}: {tests} had no recorded answer; run it without --fapo-cache=only")
