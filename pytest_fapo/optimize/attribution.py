"""The diagnosis of the best tree, once per tree: rules, the reader's opinion, interventions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_fapo.diagnose import diagnose
from pytest_fapo.errors import EvaluationError
from pytest_fapo.models import Diagnosis, Evaluation, Finding, Intervention, ItemResult, Outcome
from pytest_fapo.optimize.evaluator import Evaluator
from pytest_fapo.optimize.reporting import save_diagnosis
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.optimize.standing import Best


class Attribution:
    """Diagnoses best trees; what was paid for one is kept.

    Args:
        request: the run's; its `reader` is asked where the rules are unsure.
        evaluator: re-runs cases with one step's output replaced.
    """

    def __init__(self, request: OptimizeRequest, evaluator: Evaluator) -> None:
        self._request = request
        self._evaluator = evaluator
        self._of: dict[str, Diagnosis] = {}

    def of(self, best: Best) -> Diagnosis:
        """Where and why a tree still fails on train."""
        if best.candidate not in self._of:
            self._of[best.candidate] = self._diagnose(best)
        return self._of[best.candidate]

    def free(self, best: Best) -> Diagnosis:
        """The diagnosis that was paid for, else that of the rules alone: for the summary at the end."""
        if best.candidate in self._of:
            return self._of[best.candidate]
        artifacts = self._request.snapshot.store.with_files(best.files).all()
        found = diagnose(best.evaluation, artifacts=artifacts, extra=[self._from_hooks])
        save_diagnosis(self._request.run, best.candidate, found)
        return found

    def _from_hooks(self, evaluation: Evaluation, item: ItemResult) -> Finding | None:
        return self._request.hooks.attribute(item, evaluation.cases[item.nodeid], evaluation.trace_of(item))

    def _diagnose(self, best: Best) -> Diagnosis:
        store = self._request.snapshot.store.with_files(best.files)
        reader = self._request.reader.with_files(best.files) if self._request.reader is not None else None

        def intervene(interventions: Sequence[Intervention]) -> Mapping[int, Outcome | None]:
            try:
                return self._evaluator.interventions(best.files, interventions)
            except EvaluationError as error:
                self._request.run.log("interventions-failed", reason=str(error))
                return {}

        found = diagnose(
            best.evaluation,
            artifacts=store.all(),
            reader=reader,
            intervene=intervene,
            limit=self._request.settings.interventions,
            extra=[self._from_hooks],
        )
        self._request.run.log(
            "diagnosis",
            best=best.candidate,
            interventions=found.interventions,
            unread=list(reader.problems) if reader is not None else [],
            clusters=[cluster.model_dump(mode="json", exclude={"findings"}) for cluster in found.clusters],
        )
        save_diagnosis(self._request.run, best.candidate, found)
        return found
