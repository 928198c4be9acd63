"""The diagnosis of a tree, made once, and what proposers get to see of it: evidence from train cases.

The diagnosis is that of the rules, with the reader's opinion and interventions where they are unsure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from pytest_fapo.core.candidate import Attempt, Verdict
from pytest_fapo.core.diagnosis import Cluster, Diagnosis, Finding, Intervention
from pytest_fapo.core.errors import EvaluationError
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.evidence import Evidence, EvidenceCase, Repair
from pytest_fapo.core.record import LEVELS, Level, Outcome
from pytest_fapo.core.settings import Settings
from pytest_fapo.diagnosis.artifact_links import artifacts_of_step
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.diagnosis.trace_view import TraceView
from pytest_fapo.loop.evaluator import Evaluator
from pytest_fapo.loop.events import InterventionsFailed, TreeDiagnosed
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.search_state import BestTree
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.verdict.candidate_gate import STRICT
from pytest_fapo.verdict.low_scores import LOW_SCORE, with_low_scores
from pytest_fapo.verdict.policy import GatePolicy


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
        self._of: dict[tuple[str, int], Diagnosis] = {}

    def of(self, best: BestTree) -> Diagnosis:
        """Return the diagnosis of a tree's failures on train."""
        key = (best.candidate, best.turn)
        if key not in self._of:
            self._of[key] = self._diagnose(best)
        return self._of[key]

    def free(self, best: BestTree) -> Diagnosis:
        """Return the diagnosis that was paid for, else that of the rules alone: for the summary at the
        end.
        """
        if (best.candidate, best.turn) in self._of:
            return self._of[best.candidate, best.turn]
        artifacts = self._request.snapshot.store.with_files(best.files).all()
        seen = with_low_scores(best.evaluation, self._request.policy)
        diagnosis = diagnose(seen, artifacts=artifacts, extra=[self._from_hooks])
        save_diagnosis(self._request.run, best.candidate, diagnosis)
        return diagnosis

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

        diagnosis = diagnose(
            with_low_scores(best.evaluation, self._request.policy),
            artifacts=store.all(),
            reader=reader,
            intervene=intervene,
            limit=self._request.settings.interventions,
            extra=[self._from_hooks],
        )
        self._request.run.journal.write(
            TreeDiagnosed(
                best=best.candidate,
                interventions=diagnosis.interventions,
                unread=list(reader.problems) if reader is not None else [],
                clusters=diagnosis.clusters,
            )
        )
        save_diagnosis(self._request.run, best.candidate, diagnosis)
        return diagnosis


def diagnose_baseline(request: OptimizeRequest) -> Diagnosis:
    """Attribute the failures that the session's own tests have shown; nothing is proposed or changed.

    A copy of the project is made only where a case has to be run again with a step's output replaced.
    """
    with Evaluator(request) as evaluator:
        return TreeDiagnoser(request, evaluator).of(BestTree(request.baseline))


MOST_SOURCES = 24
"""Files; a pipeline that is spread over more is read in its nearest ones."""


def pipeline_sources(store: ArtifactStore, settings: Settings) -> dict[str, str]:
    """Return the path to text of the files with editable functions or traced steps, and of what these import
    directly.

    Args:
        store: the artifacts as of the best tree.
        settings: names the steps.
    """
    sources: dict[str, str] = {}
    paths = list(dict.fromkeys(artifact.path for artifact in store.all("structure") if artifact.name))
    paths += [path for pattern in settings.steps for path in _files_of(pattern.split(":", 1)[0])]
    for path in paths:
        text = _file_text(store, path)
        if text is not None:
            sources[path] = text
    for path, text in list(sources.items()):
        for module in _imported(text, path):
            for near in _files_of(module):
                near_text = (
                    None if near in sources or len(sources) >= MOST_SOURCES else _file_text(store, near)
                )
                if near_text is not None:
                    sources[near] = near_text
    return sources


def _files_of(module: str) -> list[str]:
    location = module.replace(".", "/")
    return [f"{head}{location}{tail}" for head in ("", "src/") for tail in (".py", "/__init__.py")]


def _file_text(store: ArtifactStore, path: str) -> str | None:
    content = store.files.get(path)
    location = store.root / path
    if content is None and location.is_file():
        content = location.read_bytes()
    return None if content is None else content.decode("utf-8", errors="replace")


def _imported(text: str, path: str) -> Iterator[str]:
    """Dotted names of what a module imports; relative ones are resolved against its own place."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    package = [part for part in PurePosixPath(path).parent.parts if part != "src"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name:
                yield name
            yield from (f"{name}.{alias.name}".lstrip(".") for alias in node.names)


def train_evidence(evaluation: Evaluation, pipeline: str, nodeids: Iterable[str] = ()) -> list[EvidenceCase]:
    """Return the train cases of a pipeline as proposers may see them; no other split ever leaves here.

    Args:
        evaluation: where outcome and trace come from.
        pipeline: name of the pipeline fixture.
        nodeids: these items only; all where empty.
    """
    wanted = set(nodeids)
    gathered: dict[str, EvidenceCase] = {}
    for nodeid, item in evaluation.items.items():
        case = evaluation.cases.get(nodeid)
        if item.split != "train" or item.pipeline != pipeline or case is None or not item.counts:
            continue
        if wanted and nodeid not in wanted:
            continue
        assert case.split == "train"
        known = gathered.get(item.first_nodeid)
        if known is not None and (item.passed or not known.passed):
            continue  # one repeat tells what happened, a failing one where there is one
        gathered[item.first_nodeid] = EvidenceCase(
            case=case,
            nodeid=nodeid,
            passed=item.passed,
            explanation=item.explanation,
            feedback=[] if item.error_type == LOW_SCORE else item.feedback,  # it is the explanation
            scores=item.scores,
            trace=evaluation.trace_of(item),
        )
    return list(gathered.values())


def make_evidence(
    cluster: Cluster,
    *,
    best: BestTree,
    level: Level,
    diagnosis: Diagnosis,
    attempts: Sequence[Attempt],
    store: ArtifactStore,
    settings: Settings,
    policy: GatePolicy = STRICT,
    escalation: str = "",
) -> Evidence:
    """Return everything that a proposer may know of one cluster.

    Args:
        cluster: what is to be fixed.
        best: the tree that edits build on.
        level: the highest level that may be edited now.
        diagnosis: of the best tree.
        attempts: all that was tried.
        store: the artifacts as of the best tree.
        settings: for demonstrations.
        policy: its objectives say which scores are low.
        escalation: why the levels below `level` were left.
    """
    allowed = LEVELS[: LEVELS.index(level) + 1]
    seen = with_low_scores(best.evaluation, policy)
    return Evidence(
        cluster=cluster,
        cases=_unsuspected(cluster_cases(seen, cluster), diagnosis),
        objectives=list(policy.objectives),
        artifacts=[artifact for each in allowed for artifact in store.all(each)],
        level=level,
        memory=visible(attempts),
        parent=best.candidate,
        together=_together(cluster, seen, diagnosis, store),
        sources=pipeline_sources(store, settings),
        demonstrations=settings.demonstrations,
        max_demonstrations=settings.max_demonstrations,
        creatable=store.creatable(),
        escalation=escalation,
    )


def _unsuspected(cases: Sequence[EvidenceCase], diagnosis: Diagnosis) -> list[EvidenceCase]:
    """Return the cases without those whose label may be wrong: they drive no rule into a prompt."""
    suspects = {finding.nodeid for finding in diagnosis.suspects}
    return [case for case in cases if case.nodeid not in suspects]


def cluster_cases(evaluation: Evaluation, cluster: Cluster) -> list[EvidenceCase]:
    """Return the train cases of the cluster's own sources; other tests may say other things of the ids."""
    sets = {cluster.label_set, *(finding.label_set for finding in cluster.findings)}
    cases = train_evidence(evaluation, cluster.pipeline)
    return [item for item in cases if item.case.label_set in sets]


def make_repair(attempt: Attempt, before: Evaluation, after: Evaluation, pipeline: str) -> Repair:
    """Return the way back of a candidate that won but broke something: the broken train cases, and counts."""
    verdict = attempt.verdict
    broken = [nodeid for nodeid in verdict.broken if _split_of(before, nodeid) == "train"]
    return Repair(
        candidate=attempt.candidate,
        broken=train_evidence(after, pipeline, broken) if broken else [],
        broken_val=sum(_split_of(before, nodeid) == "val" for nodeid in verdict.broken),
        broken_holdout=verdict.broken_hidden > 0,
    )


def visible(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the memory as proposers may see it: nothing of single val or held-out cases.

    Of val a count remains; of the held-out cases the one bit that the verdict's reason states.
    """
    return [attempt.model_copy(update={"verdict": _blind(attempt)}) for attempt in attempts]


def _blind(attempt: Attempt) -> Verdict:
    verdict = attempt.verdict
    known = set(attempt.candidate.targets)
    splits = {split: value for split, value in verdict.splits.items() if split != "holdout"}
    train_only = verdict.stage in ("targeted", "train")
    return verdict.model_copy(
        update={
            "splits": splits,
            "metrics": [change for change in verdict.metrics if change.split != "holdout"],
            "fixed": [nodeid for nodeid in verdict.fixed if nodeid in known],
            "broken": verdict.broken if train_only else [],
            "broken_hidden": 0,
            "flaky": [nodeid for nodeid in verdict.flaky if nodeid in known],
        }
    )


def _split_of(evaluation: Evaluation, nodeid: str) -> str | None:
    item = evaluation.items.get(nodeid)
    return item.split if item is not None else None


def _together(
    cluster: Cluster, evaluation: Evaluation, diagnosis: Diagnosis, store: ArtifactStore
) -> list[Cluster]:
    """One cluster for each further step that is at fault in the same cases."""
    clusters = []
    for step in cluster.also:
        same = [
            other for other in diagnosis.clusters if other.step == step and other.pipeline == cluster.pipeline
        ]
        findings = [
            finding.model_copy(
                update={"step": step, "also": [cluster.step], **_labels(finding, step, evaluation)}
            )
            for finding in cluster.findings
            if step in finding.also
        ]
        if not findings:
            continue
        traces = [trace for trace in evaluation.traces.values() if trace.pipeline == cluster.pipeline]
        views = [TraceView(trace) for trace in traces]
        artifacts = same[0].artifacts if same else artifacts_of_step(step, views, store.all())
        clusters.append(
            cluster.model_copy(
                update={
                    "id": f"{cluster.id}/{step}",
                    "label": f"{step}: at fault together with {cluster.step}",
                    "step": step,
                    "field": "",
                    "findings": findings,
                    "also": [cluster.step],
                    "artifacts": artifacts,
                }
            )
        )
    return clusters


def _labels(finding: Finding, step: str, evaluation: Evaluation) -> dict[str, object]:
    """Return the further step's right output and its actual one."""
    case, item = evaluation.cases.get(finding.nodeid), evaluation.items.get(finding.nodeid)
    trace = evaluation.trace_of(item) if item is not None else None
    output = next((each.output for each in trace.steps if each.key == step), None) if trace else None
    return {"expected": case.expected_steps.get(step) if case is not None else None, "actual": output}
