"""Evaluations of candidates, in the order that costs least: targeted, train, val, then the whole suite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType

from pytest_fapo.evaluate import Allotment, EvaluationRequest, ShadowTree, Stage, evaluate
from pytest_fapo.gate import SUITE, of_split
from pytest_fapo.models import Candidate, Evaluation
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.report import Progress


class Evaluator:
    """Runs pytest on trees that differ from the user's by a patch; a context manager.

    Args:
        request: the run's.
        progress: is told of stages and items as they come.
    """

    def __init__(self, request: OptimizeRequest, progress: Progress) -> None:
        self._request = request
        self._progress = progress
        self._shadow: ShadowTree | None = None

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shadow is not None:
            self._shadow.close()

    def reference(self) -> Evaluation:
        """Evaluate everything that will have to be proven, on an unpatched copy of the user's tree."""
        selected = self._selected()
        total = len(selected) if selected is not None else len(self._request.baseline.items)
        return self._evaluate({}, [Stage(name="unpatched copy", nodeids=selected)], total)

    def candidate(self, candidate: Candidate, files: Mapping[str, bytes], parent: Evaluation) -> Evaluation:
        """Evaluate a candidate in one fresh process, dropped as soon as it cannot win any more.

        The targeted cases come first, then train, then val, then the rest of the suite, and the held-out
        cases only if all of that passed.
        """
        targets = [nodeid for nodeid in candidate.targets if nodeid in parent.items]
        train, val = of_split(parent, "train"), of_split(parent, "val")
        stages = [
            Stage(name="targeted", nodeids=targets, min_passed=1),
            Stage(name="train", nodeids=train, protected=_passing(parent, train)),
            Stage(name="val", nodeids=val, protected=_passing(parent, val)),
            *self._proof_stages(parent, done={*train, *val}),
        ]
        return self._evaluate(files, [stage for stage in stages if stage.nodeids != []], len(parent.items))

    def proof(self, files: Mapping[str, bytes], parent: Evaluation) -> Evaluation:
        """Evaluate the whole suite (or the selected part); held-out cases only if all else passed."""
        return self._evaluate(files, self._proof_stages(parent), len(parent.items))

    def final_proof(self, files: Mapping[str, bytes], parent: Evaluation) -> Evaluation:
        """The proof once more in an interpreter that shares nothing, from recorded answers alone.

        It costs no call, so it can be had after every budget is used up.
        """
        stages = self._proof_stages(parent)
        return self._evaluate(files, stages, len(parent.items), final=True)

    def _proof_stages(self, parent: Evaluation, done: Collection[str] = ()) -> list[Stage]:
        known = [
            nodeid for nodeid, item in parent.items.items() if item.split != "holdout" and nodeid not in done
        ]
        return [
            Stage(name=SUITE, nodeids=known, protected=_passing(parent, known)),
            Stage(name="held-out", nodeids=self._selected()),
        ]

    def _selected(self) -> list[str] | None:
        """What the user selected, where that is all that has to be proven."""
        return list(self._request.baseline.items) if self._request.guard == "selected" else None

    def _evaluate(
        self, files: Mapping[str, bytes], stages: Sequence[Stage], total: int, *, final: bool = False
    ) -> Evaluation:
        request, shadow = self._request, self._tree()
        shadow.apply(files)
        name = "candidate" if stages[0].name == "targeted" else stages[0].name
        self._progress.stage("final proof" if final else name, total=total)
        # What the baseline has just asked anew is fresh by now.
        mode = "auto" if request.cache_mode == "refresh" else request.cache_mode
        evaluation = evaluate(
            shadow,
            EvaluationRequest(
                args=request.child_args,
                stages=list(stages),
                cwd=request.cwd,
                cache_folder=str(request.cache_folder),
                cache_mode="only" if final else mode,
                # Without a cache there is no free final proof: each evaluation is then as good as one.
                fresh=final or mode == "off",
                spend_file=str(request.budget.spend_file),
                allotment=Allotment(
                    max_calls=request.budget.max_calls,
                    max_cost=request.budget.max_cost,
                    deadline=None if final else request.budget.deadline,
                ),
                watch=sorted(files),
            ),
            on_item=self._progress.item,
        )
        self._progress.spending(request.budget.spending())
        return evaluation

    def _tree(self) -> ShadowTree:
        if self._shadow is None:
            self._shadow = ShadowTree.create(self._request.root)
        return self._shadow


def _passing(evaluation: Evaluation, nodeids: Sequence[str]) -> list[str]:
    return [nodeid for nodeid in nodeids if evaluation.items[nodeid].passed]
