"""Gather the data of the page from the session's results."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fapo.core.baseline import Baseline
from pytest_fapo.core.candidate import Artifact, Attempt
from pytest_fapo.core.errors import ArtifactError, FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.diagnosis.artifact_links import artifacts_of_step
from pytest_fapo.diagnosis.trace_view import TraceView
from pytest_fapo.loop.events import CandidateJudged
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_history import RunHistory
from pytest_fapo.loop.run_result import load_result
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.verdict.case_effect import baseline_effect
from pytest_fapo.views.pull_request.branch_changes import BaseCommit, GitRepository, changes_since, hypotheses
from pytest_fapo.views.pull_request.page_record import ArtifactChange, PageKind, PullRequest

if TYPE_CHECKING:
    from pytest_fapo.session.fapo_session import FapoSession
    from pytest_fapo.views.session_result import SessionResult


def removed_tests(before: Baseline, after: Baseline) -> list[str]:
    """Node ids of tests on cases that only the earlier state has."""
    left = set(_nodeids(after))
    return [nodeid for nodeid in _nodeids(before) if nodeid not in left]


def _nodeids(baseline: Baseline) -> Iterator[str]:
    for pipeline in baseline.pipelines.values():
        for cases in pipeline.cases.values():
            for case in cases.values():
                yield from case.items


_NO_BASE = (
    "What this branch changes is not shown: {branch} is not in this clone. Let the checkout fetch the "
    "history (GitHub: fetch-depth: 0, GitLab: GIT_DEPTH: 0)."
)


class PageGatherer:
    """Puts a page's data together.

    Args:
        session: the plugin's session.
        done: what it has come to.
        environment: of this process.
    """

    def __init__(
        self, session: FapoSession, done: SessionResult, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._session = session
        self._done = done
        self._environment = environment
        self._repository = GitRepository(session.root)
        self.store = ArtifactStore(session.root, session.settings.scope)

    def page(self, kind: PageKind) -> PullRequest:
        """Return the data of this session's page."""
        done = self._done
        data = PullRequest(
            kind=kind,
            evaluation=done.baseline,
            gate=_in_order(done.gate),
            summary=done.summary,
            diagnosis=done.diagnosis,
        )
        if kind == "optimize":
            self._add_run(data)
        elif kind != "diagnose":
            self._add_branch(data)
        return data

    # --- an optimization ------------------------------------------------------------------------------

    def _add_run(self, data: PullRequest) -> None:
        run, summary = self._done.run, self._done.summary
        if run is not None and summary is not None and summary.writing != "nothing":
            data.changes = changes_of_run(run, summary.artifacts)

    # --- a branch -------------------------------------------------------------------------------------

    def _add_branch(self, data: PullRequest) -> None:
        base = self._repository.base(self._environment)
        committed = self._read(self._baseline_path)
        earlier, data.compared = committed, self._session.settings.baseline
        if data.kind == "update":
            own = _as_baseline(data.evaluation)
            data.written = committed is not None and committed.pipelines == own.pipelines
            earlier = None  # the file is the new one already
        if base is None:
            self._say_no_base(data)
        else:
            data.base = base.name
            data.changes = self._changes(base)
            content = self._repository.content(base.commit, self._session.settings.baseline)
            there = self._parsed(content)
            if there is not None:
                earlier, data.compared = there, f"the baseline of {base.name}"
        whole = data.gate is None or not data.gate.partial
        if earlier is not None and data.evaluation.cases and whole:
            self._compare(data, earlier, committed)
        self._blame(data)

    def _compare(self, data: PullRequest, earlier: Baseline, committed: Baseline | None) -> None:
        own = _as_baseline(data.evaluation)
        if data.kind == "plain" and removed_tests(earlier, own):
            return  # a part of the cases says nothing of the scores of all
        if data.gate is None or earlier != committed:
            data.branch = self._judged(earlier, data.evaluation)
            data.gone = removed_tests(earlier, committed or own)
        data.effect = baseline_effect(earlier, own)
        if data.branch is None:  # then the broken ones are the gate's regressions
            data.effect.rows = [row for row in data.effect.rows if row.kind != "broken"]

    def _blame(self, data: PullRequest) -> None:
        """Name the changed prompt behind each regression."""
        changed = {change.address for change in data.changes}
        if not changed:
            return
        for name in ("gate", "branch"):
            result: GateResult | None = getattr(data, name)
            if result is not None and result.regressions:
                setattr(data, name, with_causes(result, data.evaluation, self.store, changed))

    def _changes(self, base: BaseCommit) -> list[ArtifactChange]:
        changes = changes_since(base, self._repository, self.store)
        return hypotheses(changes, self._attempts()) if changes else []

    def _attempts(self) -> list[Attempt]:
        folder = self._session.folder / ".fapo" / "runs"
        if not folder.is_dir():
            return []
        return run_attempts(folder)

    def _say_no_base(self, data: PullRequest) -> None:
        names = ("GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_MERGE_REQUEST_DIFF_BASE_SHA")
        branch = next((self._environment[name] for name in names if self._environment.get(name)), "")
        if branch:
            data.notes.append(_NO_BASE.format(branch=branch))

    # --- baselines ------------------------------------------------------------------------------------

    @property
    def _baseline_path(self) -> Path:
        return self._session.root / self._session.settings.baseline

    def _read(self, path: Path) -> Baseline | None:
        if not path.is_file():
            return None
        from pytest_fapo.verdict.baseline_file import read_baseline

        try:
            return read_baseline(path)
        except FapoError:
            return None  # the gate has said why

    def _parsed(self, content: bytes | None) -> Baseline | None:
        if content is None:
            return None
        with tempfile.TemporaryDirectory(prefix="fapo-base-") as folder:
            path = Path(folder) / "fapo-baseline.json"
            path.write_bytes(content)
            return self._read(path)

    def _judged(self, earlier: Baseline, evaluation: Evaluation) -> GateResult | None:
        """For its scores before and after; whether the merge is let through is the gate's own question."""
        from pytest_fapo.verdict.baseline_contents import artifact_digests
        from pytest_fapo.verdict.merge_gate import judge_merge
        from pytest_fapo.verdict.policy import GatePolicy

        try:
            digests = artifact_digests(self.store)
        except FapoError:
            digests = {}
        return judge_merge(evaluation, earlier, policy=GatePolicy(), floors=[], current_artifacts=digests)


def _in_order(gate: GateResult | None) -> GateResult | None:
    """Return the result with its regressions in one order, whatever order the tests ran in."""
    if gate is None:
        return None
    ordered = sorted(gate.regressions, key=lambda each: (not each.fails, each.nodeid))
    return gate.model_copy(update={"regressions": ordered})


def _as_baseline(evaluation: Evaluation) -> Baseline:
    from pytest_fapo.verdict.baseline_contents import make_baseline

    return make_baseline(evaluation, artifacts={})


# --- why a change was made, and what it explains --------------------------------------------------------


def changes_of_run(run: RunFolder, addresses: Collection[str]) -> list[ArtifactChange]:
    """Return a run's proven changes, each with its hypotheses and its effects on the cases. Held-out cases
    are left out.

    Args:
        run: its directory.
        addresses: the artifacts that were written or saved.
    """
    history = RunHistory(run)
    try:
        edits = load_result(run).edits
    except FapoError:
        return []
    changes = []
    for edit in edits:
        if edit.address in addresses:
            ideas = history.ideas(edit)
            changes.append(
                ArtifactChange(
                    address=edit.address,
                    path=edit.address.partition("::")[0],
                    before=edit.before,
                    after=edit.after,
                    why=list(dict.fromkeys(idea.reason for idea in ideas)),
                    origin=", ".join(idea.candidate for idea in ideas),
                    effect=history.effect(edit),
                )
            )
    return changes


def run_attempts(runs: Path) -> list[Attempt]:
    """Judged attempts of this checkout's runs, oldest run first."""
    folders = sorted((path for path in runs.iterdir() if path.is_dir()), key=lambda path: path.name)
    found: list[Attempt] = []
    for folder in folders[-20:]:
        try:
            found += [event.attempt for event in RunFolder(folder).journal.of(CandidateJudged)]
        except (ValueError, KeyError, OSError):
            continue  # of another version
    return found


_VIEWS = 20


def with_causes(
    gate: GateResult, evaluation: Evaluation, store: ArtifactStore, changed: Collection[str]
) -> GateResult:
    """Return the result with `Regression.prompt` where a changed artifact is known to matter.

    Args:
        gate: the gate's answer.
        evaluation: what it judged.
        store: the artifacts as they are.
        changed: addresses of those that the branch changed.
    """
    try:
        concerned = [artifact for artifact in store.all() if artifact.address in changed]
    except ArtifactError:
        return gate  # its remarks stay on the cases
    known: dict[tuple[str, str], str] = {}
    regressions = []
    for regression in gate.regressions:
        key = (regression.pipeline, regression.step)
        if key not in known:
            known[key] = _artifact_of_step(*key, evaluation, concerned) if regression.step else ""
        regressions.append(regression.model_copy(update={"prompt": regression.prompt or known[key]}))
    return gate.model_copy(update={"regressions": regressions})


def _artifact_of_step(pipeline: str, step: str, evaluation: Evaluation, artifacts: Sequence[Artifact]) -> str:
    traces = [trace for trace in evaluation.traces.values() if trace.pipeline == pipeline][:_VIEWS]
    found = artifacts_of_step(step, [TraceView(trace) for trace in traces], artifacts)
    return found[0] if found else ""
