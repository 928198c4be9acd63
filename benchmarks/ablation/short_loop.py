"""The loop in short: the product's diagnosis, evidence, playbook and review, with plain evaluations.

The real loop copies, locks in and re-samples; here nothing but the order of proposals and what they do to
the cases matters. So it takes a second where the real one takes fifteen, and takes none where the trees that
it comes to are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.ablation.evaluating import TreeRunner
from pytest_fapo.core.candidate import Attempt, Candidate, Review, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster, Diagnosis, Finding, Intervention
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import LEVELS, Level, Outcome
from pytest_fapo.core.settings import load_settings
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.loop.ladder import Ladder
from pytest_fapo.loop.search_state import BestTree
from pytest_fapo.loop.train_evidence import make_evidence, make_repair
from pytest_fapo.propose.playbook.playbook import Playbook
from pytest_fapo.review.static_review import review
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.verdict.policy import policy_of

MOST_TRIED = 40
"""Candidates of one project that are evaluated."""
INTERVENTIONS = 200
"""Replaced outputs of one diagnosis."""


Named = tuple[str, str, str, str]
"""Node id, step, level and category of a cause."""


def named(finding: Finding) -> Named:
    """What a finding says of its cause."""
    return finding.nodeid, finding.step, str(finding.level), str(finding.category)


@dataclass
class Tuned:
    """The result of the loop."""

    passing: frozenset[str]
    """Node ids of all items that pass at its end."""
    total: int
    tried: int
    techniques: list[str] = field(default_factory=list)
    """Of the accepted candidates, in order."""
    findings: list[Named] = field(default_factory=list)
    """The causes named at first."""


class ShortLoop:
    """Tunes one project with the playbook.

    Args:
        runner: evaluates trees.
        unseen: ids of cases that take part in nothing but the result.
        most: candidates that are evaluated.
        apart: the project's steps do not read each other's output; see `Subject.apart`.
    """

    def __init__(
        self, runner: TreeRunner, unseen: frozenset[str], most: int = MOST_TRIED, *, apart: bool = False
    ) -> None:
        root = runner.original.root
        self._runner = runner
        self._unseen = unseen
        self._apart = apart
        self._left = most
        self._most = most
        self._settings = load_settings(None, root)
        self._policy = policy_of(self._settings)
        self._store = ArtifactStore(root, self._settings.scope)
        self._ladder = Ladder(LEVELS)
        self._playbook = Playbook()
        self._attempts: list[Attempt] = []

    def diagnosis(self) -> list[Finding]:
        """The causes of the project's failures as its files are."""
        return self._diagnose(self._first()).findings

    def run(self) -> Tuned:
        """Accept candidates until all train cases pass or nothing is left to try."""
        best = self._first()
        findings = [named(each) for each in self._diagnose(best).findings]
        accepted: list[str] = []
        while self._left > 0 and (found := self._improved(best)) is not None:
            best, technique = found
            accepted.append(technique)
        items = best.evaluation.items
        passing = frozenset(nodeid for nodeid, item in items.items() if item.passed)
        return Tuned(passing, len(items), self._most - self._left, accepted, findings)

    def _first(self) -> BestTree:
        evaluation = self._runner.evaluate({})
        if evaluation is None:
            raise FapoError(f"{self._runner.original.root.name}: its tests do not run to their end")
        return BestTree(evaluation)

    def _diagnose(self, best: BestTree) -> Diagnosis:
        def intervene(interventions: Sequence[Intervention]) -> Mapping[int, Outcome | None]:
            return dict(enumerate(_outcome(best.evaluation, one) for one in interventions))

        return diagnose(
            best.evaluation,
            artifacts=self._store.with_files(best.files).all(),
            intervene=intervene if self._apart else None,
            limit=INTERVENTIONS,
        )

    def _improved(self, best: BestTree) -> tuple[BestTree, str] | None:
        diagnosis = self._diagnose(best)
        for level in LEVELS:
            for cluster in self._ladder.clusters(diagnosis, level):
                for candidate, evidence in self._proposals(cluster, level, diagnosis, best):
                    tree = self._judged(candidate, evidence, best)
                    if tree is not None:
                        self._ladder.accepted()
                        return tree, candidate.technique
                    self._ladder.no_gain(candidate, cluster, level, best=best.candidate)
                    if self._left <= 0 or self._ladder.exhausted(cluster, level, "playbook"):
                        break
        return None

    def _proposals(
        self, cluster: Cluster, level: Level, diagnosis: Diagnosis, best: BestTree
    ) -> Iterator[tuple[Candidate, Evidence]]:
        """The playbook is asked again with what came of its candidates until it has no more."""
        while True:
            evidence = make_evidence(
                cluster,
                best=best,
                level=level,
                diagnosis=diagnosis,
                attempts=self._attempts,
                store=self._store.with_files(best.files),
                settings=self._settings,
                policy=self._policy,
            )
            before = len(self._attempts)
            for candidate in self._playbook.propose(evidence):
                yield candidate, evidence
            if len(self._attempts) == before:
                return

    def _judged(self, candidate: Candidate, evidence: Evidence, best: BestTree) -> BestTree | None:
        """The candidate's tree where it gains and breaks nothing; what it breaks it may repair once."""
        store = self._store.with_files(best.files)
        cases = list({case.id: case for case in best.evaluation.cases.values()}.values())
        checked = self._reviewed(candidate, store, cases, evidence)
        if checked is None:
            self._remember(candidate, "review", best.evaluation, best.evaluation, blocked=True)
            return None
        tree = self._tree(checked, best, store)
        attempt = self._remember(
            checked, "targeted", best.evaluation, tree.evaluation if tree is not None else None
        )
        if tree is None or not self._gains(best.evaluation, tree.evaluation):
            return None
        if not attempt.verdict.broken:
            return tree
        repair = make_repair(attempt, best.evaluation, tree.evaluation, evidence.cluster.pipeline)
        repaired = self._playbook.repair(repair, evidence)
        return None if repaired is None else self._judged(repaired, evidence, best)

    def _reviewed(
        self, candidate: Candidate, store: ArtifactStore, cases: list[Case], evidence: Evidence
    ) -> Candidate | None:
        """The candidate, or what its proposer makes of it where the review blocks it."""
        levels = LEVELS[: LEVELS.index(evidence.level) + 1]
        for _ in range(2):
            result = review(candidate, store=store, cases=cases, settings=self._settings, levels=levels)
            if result.verdict != "block":
                return candidate
            revised = self._playbook.revise(candidate, result, evidence)
            if revised is None:
                return None
            candidate = revised
        return None

    def _tree(self, candidate: Candidate, best: BestTree, store: ArtifactStore) -> BestTree | None:
        self._left -= 1
        try:
            files = {**best.files, **store.render(candidate.edits)}
        except FapoError:
            return None
        evaluation = self._runner.evaluate(files)
        if evaluation is None:
            return None
        return BestTree(evaluation, candidate=f"c{len(self._attempts) + 1}", files=files)

    def _gains(self, before: Evaluation, after: Evaluation) -> bool:
        return len(self._passing(after, "train")) > len(self._passing(before, "train"))

    def _remember(
        self,
        candidate: Candidate,
        stage: str,
        before: Evaluation,
        after: Evaluation | None,
        *,
        blocked: bool = False,
    ) -> Attempt:
        passing = self._passing(before)
        broken = sorted(passing - self._passing(after)) if after is not None else sorted(passing)
        gains = after is not None and self._gains(before, after)
        verdict = Verdict(
            accepted=gains and not broken,
            reason=stage if not broken else "breaks " + ", ".join(broken),
            stage=stage if not gains else "train",
            broken=broken,
        )
        attempt = Attempt(candidate=candidate, review=Review(), verdict=verdict)
        self._attempts.append(attempt)
        return attempt

    def _passing(self, evaluation: Evaluation, split: str = "") -> set[str]:
        """Items that pass and that the loop may look at, one name for all repeats of one."""
        failing: set[str] = set()
        seen: set[str] = set()
        for item in evaluation.items.values():
            if item.case_id not in self._unseen and split in ("", item.split):
                (seen if item.passed else failing).add(item.first_nodeid)
        return seen - failing


def _outcome(evaluation: Evaluation, one: Intervention) -> Outcome | None:
    """The outcome of a case with other outputs of some steps; each step's output goes into the result."""
    trace = evaluation.trace_of(evaluation.items[one.nodeid])
    if trace is None or not isinstance(trace.output, dict) or one.resample:
        return None
    right = {**trace.output, **one.outputs} == evaluation.cases[one.nodeid].expected
    return "passed" if right else "failed"
