"""`--fapo-diagnose`: the diagnosis of the user's own tree, with the same means that the loop has."""

from __future__ import annotations

from pytest_fapo.models import Diagnosis
from pytest_fapo.optimize.attribution import Attribution
from pytest_fapo.optimize.evaluator import Evaluator
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.optimize.standing import Best
from pytest_fapo.report import Progress


def diagnose_baseline(request: OptimizeRequest, progress: Progress) -> Diagnosis:
    """Attribute the failures that the session's own tests have shown; nothing is proposed or changed.

    A copy of the project is made only where a case has to be run again with a step's output replaced.
    """
    with Evaluator(request, progress) as evaluator:
        return Attribution(request, evaluator).of(Best(request.baseline))
