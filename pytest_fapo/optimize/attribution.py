"""The diagnosis of the best tree, once per tree: rules, the reader's opinion, interventions."""

from __future__ import annotations

from pytest_fapo.diagnose import diagnose
from pytest_fapo.models import Diagnosis
from pytest_fapo.optimize.evaluator import Evaluator
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
        return diagnose(best.evaluation, artifacts=self._request.snapshot.store.with_files(best.files).all())

    def _diagnose(self, best: Best) -> Diagnosis:
        store = self._request.snapshot.store.with_files(best.files)

        found = diagnose(
            best.evaluation,
            artifacts=store.all(),
        )
        self._request.run.log(
            "diagnosis",
            best=best.candidate,
            clusters=[cluster.model_dump(mode="json", exclude={"findings"}) for cluster in found.clusters],
        )
        return found
