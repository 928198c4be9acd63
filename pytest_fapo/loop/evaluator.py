"""Evaluate candidates in the cheapest order: targeted, train, val, then the full suite."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING

from pydantic import JsonValue

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.diagnosis import Intervention
from pytest_fapo.core.errors import NoAnswer
from pytest_fapo.core.evaluation import Evaluation, Outage
from pytest_fapo.core.record import Outcome, canonical_json, files_digest, text_digest
from pytest_fapo.core.text import count
from pytest_fapo.loop.blind_evaluation import BlindEvaluations, Following
from pytest_fapo.loop.candidate_cage import CandidateCage
from pytest_fapo.loop.events import ItemFinished, Note, SpendingChanged, StageBegan
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.shadow.evaluation_request import Allotment, EvaluationRequest, EvaluationStage
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree
from pytest_fapo.shadow.step_interventions import run_interventions
from pytest_fapo.shadow.tree_state import TreeState
from pytest_fapo.verdict.candidate_gate import SUITE
from pytest_fapo.verdict.comparison import nodeids_of

if TYPE_CHECKING:
    from pytest_fapo.loop.dask_executor import DaskExecutor

_PAUSES = (0.5, 2.0)
"""Seconds before what got no answer is asked again; each is waited once."""

CandidateWork = tuple[Candidate, Mapping[str, bytes]]
"""A candidate and the files that it makes."""

_TIMES, _AT_LEAST = 10, 60.0
"""The time limit of a candidate as a multiple of the baseline's duration, and its minimum in seconds."""

FEW_ITEMS = 4
"""Items that are asked first if one failure decides."""


class Evaluator:
    """Runs pytest on trees that differ from the user's by a patch; a context manager.

    Nothing that it gives was cut short by a limit of the run: such an evaluation raises BudgetExceeded and is
    not judged. What an interrupted run has evaluated is not evaluated again.
    Every evaluation has whole answers to all of its calls, too: where a model gave none, its cases are asked
    again, and then `NoAnswer` is raised. The one exception is a candidate that asks for what the provider
    rejects, where its parent did not: its evaluation tells of the outage.

    Args:
        request: the run's; listeners of its journal hear of stages and items as they come.
    """

    def __init__(self, request: OptimizeRequest) -> None:
        self._request = request
        self._tell = request.run.journal.tell
        self._shadows: dict[int, ShadowTree] = {}
        self._cancelled = threading.Event()
        self._spent = b""
        """The spend file as it was last seen."""
        self._spent_lock = threading.Lock()
        self._cage = CandidateCage(request)
        self._blind = BlindEvaluations(request)
        self._cluster: DaskExecutor | None = None

    def __enter__(self) -> Evaluator:
        if self._request.executor:
            from pytest_fapo.loop.dask_executor import DaskExecutor, dask_address

            self._cluster = DaskExecutor(dask_address(self._request.executor), self._request)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blind.close()
        if self._cluster is not None:
            self._cluster.close()
        for shadow in self._shadows.values():
            shadow.close()

    def reference(self) -> Evaluation:
        """Evaluate everything that will have to be proven, on an unpatched copy of the user's tree."""
        for slot in range(self._request.settings.parallel):
            self._tree(slot)  # all copies are of the same moment
        if large := self._tree().survey.large:
            size = f"{sum(large.values()) / 1e6:,.0f} MB"
            self._tell(Note(f"read where it lies, too large to copy: {count(len(large), 'file')} ({size})"))
        selected = self._selected()
        total = len(selected) if selected is not None else len(self._request.baseline.items)
        evaluation = self._evaluate({}, [EvaluationStage(name="unpatched copy", nodeids=selected)], total)
        self.watched(evaluation)
        return evaluation

    def watched(self, unpatched: Evaluation) -> None:
        """Take over what the unpatched copy did, in this run or in the one that it resumes."""
        self._cage.watched(unpatched)
        self._blind.watched(unpatched)

    def candidate(
        self,
        candidate: Candidate,
        files: Mapping[str, bytes],
        parent: Evaluation,
        excused: Collection[str] = (),
    ) -> Evaluation:
        """Evaluate a candidate in one fresh process, dropped as soon as it cannot win any more.

        The targeted cases come first, then train, then val, then the rest of the suite, and the held-out
        cases only if all of that passed.

        Args:
            candidate: what is tried.
            files: that it makes.
            parent: the evaluation of the tree that it builds on.
            excused: items whose failure is known to be chance, and ends nothing.
        """
        stages = self._case_stages(candidate, parent)
        done = {*nodeids_of(parent, "train"), *nodeids_of(parent, "val")}
        stages += self._proof_stages(parent, done=done)
        return self._evaluate(files, _without(stages, excused), len(parent.items), parent=parent)

    def side_by_side(self, works: Sequence[CandidateWork], parent: Evaluation) -> list[Evaluation]:
        """Evaluate several candidates at once on train and val, each in its own copy of the project.

        Returns:
            one evaluation per candidate, in order; none has looked at the held-out cases.
        """
        if self._cluster is not None:
            self._cluster.side_by_side = len(works)
        with ThreadPoolExecutor(max_workers=len(works), thread_name_prefix="fapo-evaluate") as pool:
            futures = []
            for slot, (candidate, files) in enumerate(works):
                stages = self._case_stages(candidate, parent)
                total = len({nodeid for stage in stages for nodeid in stage.nodeids or ()})
                futures.append(pool.submit(self._evaluate, files, stages, total, slot=slot, parent=parent))
            try:
                return [future.result() for future in futures]
            except BaseException:
                self._cancelled.set()  # the other children are ended before this goes on
                raise
            finally:
                for future in futures:
                    future.exception()
                self._cancelled.clear()
                if self._cluster is not None:
                    self._cluster.side_by_side = 1

    def proof(
        self,
        files: Mapping[str, bytes],
        parent: Evaluation,
        excused: Collection[str] = (),
        *,
        fresh: bool = False,
    ) -> Evaluation:
        """Evaluate the full suite (or the selected part); held-out cases only if all else passed.

        Args:
            files: the tree.
            parent: what it is compared with.
            excused: node ids that may be lost.
            fresh: in an interpreter that shares nothing, where no final proof follows.
        """
        stages = _without(self._proof_stages(parent), excused)
        return self._evaluate(files, stages, len(parent.items), fresh=fresh)

    def final_proof(
        self, files: Mapping[str, bytes], parent: Evaluation, excused: Collection[str] = ()
    ) -> Evaluation:
        """Return the proof once more in an interpreter that shares nothing, from recorded answers alone.

        It costs no call, so it can be had after every budget is used up.
        """
        stages = _without(self._proof_stages(parent), excused)
        return self._evaluate(files, stages, len(parent.items), final=True)

    def must_pass(self, files: Mapping[str, bytes], nodeids: Sequence[str]) -> Evaluation:
        """Run some items on a tree, and no further once one of a few did not pass."""
        few = list(nodeids[:FEW_ITEMS])
        stages = [EvaluationStage(name="without one part", nodeids=few, protected=few)]
        if nodeids[FEW_ITEMS:]:
            stages.append(EvaluationStage(name="without one part, all", nodeids=list(nodeids[FEW_ITEMS:])))
        return self._evaluate(files, stages, len(nodeids))

    def again(self, files: Mapping[str, bytes], nodeids: Sequence[str], sample: int) -> Evaluation:
        """Run some items once more with answers of their own, not those that are on record.

        Args:
            files: the tree.
            nodeids: the items.
            sample: names the sample; equal numbers give equal answers.
        """
        stages = [EvaluationStage(name="fresh answers", nodeids=list(nodeids))]
        return self._evaluate(files, stages, len(nodeids), options={"sample": sample})

    def interventions(
        self, files: Mapping[str, bytes], interventions: Sequence[Intervention]
    ) -> Mapping[int, Outcome | None]:
        """Run cases on a tree with a step's output replaced; see `evaluate.run_interventions`."""
        run, request = self._request.run, self._child_request([], files)
        key = _evaluation_key(files, request, [one.model_dump(mode="json") for one in interventions])
        known = run.recorded_interventions(key)
        if known is not None:
            return known
        shadow = self._tree()
        shadow.apply(files)
        self._tell(StageBegan("interventions", len(interventions)))
        results = run_interventions(shadow, request, interventions, cancelled=self._cancelled.is_set)
        self._tell(SpendingChanged(self._request.budget.spending()))
        run.record_interventions(key, results)
        return results

    def _case_stages(self, candidate: Candidate, parent: Evaluation) -> list[EvaluationStage]:
        targets = [nodeid for nodeid in candidate.targets if nodeid in parent.items]
        train, val, policy = nodeids_of(parent, "train"), nodeids_of(parent, "val"), self._request.policy
        stages = [
            EvaluationStage(name="targeted", nodeids=targets, min_passed=policy.min_passed()),
            EvaluationStage(name="train", nodeids=train, protected=policy.protected(parent, train)),
            EvaluationStage(name="val", nodeids=val, protected=policy.protected(parent, val)),
        ]
        return [stage for stage in stages if stage.nodeids != []]

    def _proof_stages(self, parent: Evaluation, done: Collection[str] = ()) -> list[EvaluationStage]:
        known = [
            nodeid for nodeid, item in parent.items.items() if item.split != "holdout" and nodeid not in done
        ]
        protected = self._request.policy.protected(parent, known)
        stages = [EvaluationStage(name=SUITE, nodeids=known, protected=protected)] if known else []
        return [*stages, EvaluationStage(name="held-out", nodeids=self._selected())]

    def _selected(self) -> list[str] | None:
        """Return the user's selection of tests, if only those have to be proven."""
        return list(self._request.baseline.items) if self._request.guard == "selected" else None

    def _evaluate(
        self,
        files: Mapping[str, bytes],
        stages: Sequence[EvaluationStage],
        total: int,
        *,
        final: bool = False,
        fresh: bool = False,
        slot: int = 0,
        options: Mapping[str, JsonValue] | None = None,
        parent: Evaluation | None = None,
    ) -> Evaluation:
        """One evaluation; what was answered is recorded, so that asking again costs only what was not.

        Raises:
            NoAnswer: there is still no whole answer to some calls.
            BudgetExceeded: a limit has cut it short.
        """
        lacking = 0
        for pause in (*_PAUSES, 0.0):
            evaluation = self._evaluate_once(
                files, stages, total, final=final, fresh=fresh, slot=slot, options=options
            )
            outage = evaluation.outage
            if not outage or (parent is not None and self._is_own_doing(outage, parent)):
                return evaluation
            hopeless = outage.rejected or (lacking and len(outage.items) >= lacking)
            if hopeless or not pause:
                break
            lacking = len(outage.items)
            self._tell(Note(f"{outage.summary}; asking again"))
            time.sleep(pause)
        raise NoAnswer(f"{outage.sentence}; {outage.advice}")

    def _is_own_doing(self, outage: Outage, parent: Evaluation) -> bool:
        """True if all that is lacking was rejected, or asked where the cage lets nobody ask, and the parent
        never got an answer from there: then it is the edit that asks for what is not served."""
        calls = [call for trace in parent.traces.values() for call in trace.llm_calls]
        served = {(call.url, call.model) for call in calls if call.answered}
        lacking = [each for item in outage.items for each in item.unanswered]
        return all(
            (each.rejected or self._cage.refuses(each.url)) and (each.url, each.model) not in served
            for each in lacking
        )

    def _evaluate_once(
        self,
        files: Mapping[str, bytes],
        stages: Sequence[EvaluationStage],
        total: int,
        *,
        final: bool,
        fresh: bool,
        slot: int,
        options: Mapping[str, JsonValue] | None,
    ) -> Evaluation:
        request = self._request
        asked = self._child_request(stages, files, final=final, options=options)
        asked = asked.model_copy(update={"fresh": asked.fresh or fresh})
        key = "" if final else _evaluation_key(files, asked)
        known = request.run.recorded(key) if key else None
        if known is not None:
            return known
        shadow = self._tree(slot)
        shadow.apply(files)
        name = "candidate" if stages[0].name == "targeted" else stages[0].name
        self._tell(StageBegan("final proof" if final else name, total))
        self._keep_spending()
        refused = len(request.budget.refusals())
        following = Following(lambda result: self._tell(ItemFinished(result)), self._cancelled.is_set)
        evaluation = None
        blind = self._blind.concern(files, shadow)
        plan = self._blind.plan(asked, shadow, slot, following) if blind else None
        if plan is not None:
            if self._cluster is not None and not final:
                evaluation = self._cluster.evaluate(shadow, files, asked, following, plan)
            else:
                evaluation = self._blind.evaluate(plan, files, asked, shadow, slot, following)
        if blind:
            shadow.apply(files)
        if evaluation is None:
            evaluation = self._run(shadow, files, asked, following, here=final)
            evaluation = evaluation.model_copy(update={"without_labels": 0 if blind else None})
        elif final and evaluation.complete:
            # Also of the whole patch in one process, as the user will have it: that can only take away.
            evaluation = _both(evaluation, evaluate(shadow, asked, cancelled=following.cancelled))
        self._keep_spending()
        self._tell(SpendingChanged(request.budget.spending()))
        if not final:  # a final proof sends nothing, and has time also when the run's is over
            request.budget.check(evaluation, request.budget.refusals()[refused:])
        self._check_starved(evaluation)
        if files and asked.cage is not None and self._cage.seems_to_hinder(evaluation):
            self._check_cage(asked, shadow)
        if key and not evaluation.outage:
            request.run.record(key, evaluation)
        return evaluation

    def _keep_spending(self) -> None:
        """Put back what a candidate's code, which must be able to write there, took out of the spend file."""
        path = self._request.budget.spend_file
        with self._spent_lock:
            now = path.read_bytes() if path.is_file() else b""
            if not now.startswith(self._spent):
                now = self._spent + now
                path.write_bytes(now)
            self._spent = now

    def _run(
        self,
        shadow: ShadowTree,
        files: Mapping[str, bytes],
        asked: EvaluationRequest,
        following: Following,
        *,
        here: bool = False,
    ) -> Evaluation:
        """Run the tests on the cluster if there is one, and if it need not be `here`."""
        if self._cluster is not None and not here:
            return self._cluster.evaluate(shadow, files, asked, following)
        return evaluate(shadow, asked, on_item=following.on_item, cancelled=following.cancelled)

    def _check_cage(self, asked: EvaluationRequest, shadow: ShadowTree) -> None:
        """Run the same tests on the unpatched tree locked in, once: what fails there fails for the cage.

        Raises:
            EvaluationError: something does.
        """
        shadow.restore()
        stages = [stage.model_copy(update={"min_passed": 0, "protected": []}) for stage in asked.stages]
        following = Following(lambda _: None, self._cancelled.is_set)
        asked = asked.model_copy(update={"stages": stages, "watch": []})
        self._cage.check(self._run(shadow, {}, asked, following))

    def _check_starved(self, evaluation: Evaluation) -> None:
        """Tell a tree that takes too long from a provider that keeps it waiting.

        Raises:
            NoAnswer: the tests were ended, and no call had been answered for half of their time.
        """
        if evaluation.complete or not evaluation.stopped.startswith("time limit"):
            return
        from pytest_fapo.answers.spend_file import starved

        now = time.time()
        begin, since = now - evaluation.duration, now - evaluation.duration / 2
        if starved(self._request.budget.spend_file, begin, since):
            raise NoAnswer(f"the model kept the tests waiting without an answer ({evaluation.stopped})")

    def _time_limit(self, files: Mapping[str, bytes]) -> float:
        """Return the seconds that one evaluation has; the setting says it of candidates, not of the unpatched
        copy.
        """
        given = self._request.settings.candidate_time_limit
        return given if given is not None and files else time_limit(self._request.baseline)

    def _child_request(
        self,
        stages: Sequence[EvaluationStage],
        files: Mapping[str, bytes],
        *,
        final: bool = False,
        options: Mapping[str, JsonValue] | None = None,
    ) -> EvaluationRequest:
        request = self._request
        # What the baseline has just asked again is fresh by now.
        mode = "auto" if request.cache_mode == "refresh" else request.cache_mode
        return EvaluationRequest(
            args=request.child_args,
            stages=list(stages),
            cwd=request.cwd,
            cache_folder=str(request.cache_folder),
            cache_mode="only" if final else mode,
            cache_files=[str(path) for path in request.cache_files],
            # Models answer from the record; a database that the pipeline asks has none.
            allow_hosts=self._cage.hosts_beside_models() if final and mode != "only" else [],
            cache_url=request.cache_url,
            # Without a cache there is no free final proof: each evaluation is then as good as one.
            fresh=final or mode == "off",
            spend_file=str(request.budget.spend_file),
            allotment=Allotment(
                max_calls=request.budget.max_calls,
                max_cost=request.budget.max_cost,
                deadline=None if final else request.budget.deadline,
            ),
            watch=sorted(files),
            cage=self._cage.rules() if files else None,
            timeout=self._time_limit(files),
            options=dict(options or {}),
        )

    def changed_files(self) -> dict[str, str]:
        """Return by path what happened to the project's files since any of the copies was made."""
        changes: dict[str, str] = {}
        for shadow in self._shadows.values():
            changes.update(shadow.changes())
        return dict(sorted(changes.items()))

    def state(self) -> TreeState:
        """Return what the project held when it was copied."""
        return self._tree().state

    def _tree(self, slot: int = 0) -> ShadowTree:
        if slot not in self._shadows:
            self._shadows[slot] = ShadowTree.create(self._request.root)
        return self._shadows[slot]


def time_limit(baseline: Evaluation) -> float:
    """Return the seconds that an evaluation has by itself; a replayed call counts as long as it once took."""
    tests = sum(item.duration for item in baseline.items.values())
    calls = (call for trace in baseline.traces.values() for call in trace.llm_calls)
    return max(_AT_LEAST, _TIMES * (tests + sum(call.duration for call in calls if call.cache_hit)))


def _evaluation_key(files: Mapping[str, bytes], request: EvaluationRequest, more: JsonValue = None) -> str:
    """Names an evaluation by what is run on which contents; ids of candidates have no part in it."""
    asked = request.model_dump(
        mode="json", include={"args", "stages", "cwd", "cache_mode", "cache_files", "fresh", "options"}
    )
    return text_digest(canonical_json([files_digest(files), asked, more]))


def _both(blind: Evaluation, whole: Evaluation) -> Evaluation:
    """Return the whole tree's evaluation, with what did not pass where outputs were made without labels."""
    failed = {nodeid: item for nodeid, item in blind.items.items() if not item.passed}
    return whole.model_copy(
        update={"items": {**whole.items, **failed}, "without_labels": blind.without_labels}
    )


def _without(stages: Sequence[EvaluationStage], excused: Collection[str]) -> list[EvaluationStage]:
    """Return the stages, not ended by items whose failure is known to be luck."""
    return [
        stage.model_copy(
            update={"protected": [nodeid for nodeid in stage.protected if nodeid not in excused]}
        )
        for stage in stages
    ]
