"""The diagnosis of a tree, made once: rules, the reader's opinion, interventions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_fapo.core.diagnosis import Diagnosis, Finding, Intervention
from pytest_fapo.core.errors import EvaluationError
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Outcome
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.loop.evaluator import Evaluator
from pytest_fapo.loop.events import InterventionsFailed, TreeDiagnosed
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.search_state import BestTree


def save_diagnosis(run: RunFolder, tree: str, diagnosis: Diagnosis) -> None:
    """Keep a tree's diagnosis whole; the journal has its clusters only."""
    run.save_text(diagnosis_file(tree), diagnosis.model_dump_json(exclude={"findings"}))


def diagnosis_file(tree: str) -> str:
    return f"diagnoses/{tree or 'original'}.json"


class TreeDiagnoser:
    """Diagnoses best trees; what was paid for one is kept.

    Args:
        request: the run's; its `reader` is asked where the rules are unsure.
        evaluator: re-runs cases with one step's output replaced.
    """

    def __init__(self, request: OptimizeRequest, evaluator: Evaluator) -> None:
        self._request = request
        self._evaluator = evaluator
        self._of: dict[str, Diagnosis] = {}

    def of(self, best: BestTree) -> Diagnosis:
        """Return the diagnosis of a tree's failures on train."""
        if best.candidate not in self._of:
            self._of[best.candidate] = self._diagnose(best)
        return self._of[best.candidate]

    def free(self, best: BestTree) -> Diagnosis:
        """The diagnosis that was paid for, else that of the rules alone: for the summary at the end."""
        if best.candidate in self._of:
            return self._of[best.candidate]
        artifacts = self._request.snapshot.store.with_files(best.files).all()
        found = diagnose(best.evaluation, artifacts=artifacts, extra=[self._from_hooks])
        save_diagnosis(self._request.run, best.candidate, found)
        return found

    def _from_hooks(self, evaluation: Evaluation, item: ItemResult) -> Finding | None:
        return self._request.hooks.attribute(item, evaluation.cases[item.nodeid], evaluation.trace_of(item))

    def _diagnose(self, best: BestTree) -> Diagnosis:
        store = self._request.snapshot.store.with_files(best.files)
        reader = self._request.reader.with_files(best.files) if self._request.reader is not None else None

        def intervene(interventions: Sequence[Intervention]) -> Mapping[int, Outcome | None]:
            try:
                return self._evaluator.interventions(best.files, interventions)
            except EvaluationError as error:
                self._request.run.journal.write(InterventionsFailed(reason=str(error)))
                return {}

        found = diagnose(
            best.evaluation,
            artifacts=store.all(),
            reader=reader,
            intervene=intervene,
            limit=self._request.settings.interventions,
            extra=[self._from_hooks],
        )
        self._request.run.journal.write(
            TreeDiagnosed(
                best=best.candidate,
                interventions=found.interventions,
                unread=list(reader.problems) if reader is not None else [],
                clusters=found.clusters,
            )
        )
        save_diagnosis(self._request.run, best.candidate, found)
        return found


def diagnose_baseline(request: OptimizeRequest) -> Diagnosis:
    """Attribute the failures that the session's own tests have shown; nothing is proposed or changed.

    A copy of the project is made only where a case has to be run again with a step's output replaced.
    """
    with Evaluator(request) as evaluator:
        return TreeDiagnoser(request, evaluator).of(BestTree(request.baseline))
