"""Batches of candidates, only pytest itself is played: limits inside a batch, true reasons, resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.loop.batch import ProposerSource, Round, RoundResult
from pytest_fapo.loop.evaluator import time_limit
from pytest_fapo.loop.events import CandidateJudged, IterationBegan, RunBegan, RunFinished
from pytest_fapo.loop.optimize_request import RunHooks
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.search_state import BestTree, Memory
from pytest_fapo.loop.trial import Proposed, ReviewedCandidate, Trial
from pytest_fapo.verdict.policy import GatePolicy

SPLITS: dict[str, Split] = {"t": "train", "v": "val", "h": "holdout"}
Outcomes = Mapping[str, bool]


def evaluation(outcomes: Outcomes) -> Evaluation:
    """Cases by name, t… train, v… val, h… holdout; every file was read."""
    made = Evaluation(complete=True, loaded_files=["a.md", "b.md", "c.md"])
    for name, passed in outcomes.items():
        split = SPLITS[name[0]]
        made.items[name] = ItemResult(
            nodeid=name, outcome="passed" if passed else "failed", case_id=name, pipeline="p", split=split
        )
        made.cases[name] = Case(id=name, inputs=name, split=split)
    return made


@dataclass
class Played:
    """Pytest's results for a tree: each file fixes the case of its letter; some trees break others."""

    broken: Mapping[tuple[str, ...], Sequence[str]] = field(default_factory=dict)
    names: Sequence[str] = ("ta", "tb", "tc", "v1", "h1")
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def of(self, files: Mapping[str, bytes], *, held_out: bool) -> Evaluation:
        tree = tuple(sorted(name[0] for name in files))
        broken = self.broken.get(tree, ())
        outcomes = {
            name: (name not in broken) and (name[0] != "t" or name[1] in tree)
            for name in self.names
            if held_out or name[0] != "h"
        }
        self.asked.append(tree)
        return evaluation(outcomes)

    def side_by_side(self, works: Any, parent: Evaluation, *more: object) -> list[Evaluation]:
        return [self.of(files, held_out=False) for _, files in works]

    def candidate(
        self, candidate: Candidate, files: Mapping[str, bytes], parent: Evaluation, *more: object
    ) -> Evaluation:
        return self.of(files, held_out=True)


class Reviewing:
    def prepare(self, candidate: Candidate, best: BestTree, proposed: object = None) -> ReviewedCandidate:
        edits = {edit.address: edit.after.encode() for edit in candidate.edits}
        return ReviewedCandidate(candidate, Review(), False, {**best.files, **edits})


def proposed(letter: str, cluster: str = "") -> Proposed:
    made = Candidate(
        edits=[Edit(address=f"{letter}.md", before="x\n", after=f"x\n{cluster or letter}\n")],
        hypothesis="",
        proposer="me",
        technique="t",
        cluster=cluster or letter,
        targets=[f"t{letter}"],
    )
    kind = Cluster(
        id=made.cluster,
        label="",
        step="",
        category="label",
        level="prompt",
        pipeline="p",
        confidence=1.0,
        findings=[],
    )
    return Proposed(made, kind, cast(Any, SimpleNamespace(name="me")), cast(Any, None), "prompt")


class Search:
    """A part of a run: batches one after the other, what waits is tried again on the new best tree."""

    def __init__(self, run: RunFolder, played: Played, *, looks: int = 30, most: int | None = None) -> None:
        request: Any = SimpleNamespace(
            run=run,
            budget=SimpleNamespace(spending=Spending),
            policy=GatePolicy(),
            hooks=RunHooks(),
            cache_mode="only",  # nothing is asked again
            max_candidates=most,
            settings=SimpleNamespace(holdout_looks=looks),
        )
        run.journal.go_over()
        self.round = Round(request, cast(Any, Reviewing()), Trial(request, cast(Any, played)))
        self.memory = Memory()
        self.best = BestTree(played.of({}, held_out=True))

    def batch(self, *letters: str, cluster: str = "") -> list[Attempt]:
        """Judge candidates for these letters, then on top of the winner those that wait."""
        batch = [proposed(letter, cluster) for letter in letters]
        found: list[Attempt] = []
        while batch:
            result = self.round.run(batch, self.best, self.memory, cast(Any, lambda cluster, level: None))
            found += attempts_of(result)
            self.memory.attempts += attempts_of(result)
            if result.best is None:
                break
            self.best = result.best
            parent = {"parent": self.best.candidate}
            batch = [
                replace(each, candidate=each.candidate.model_copy(update=parent)) for each in result.waiting
            ]
        return found


def attempts_of(result: RoundResult) -> list[Attempt]:
    return [event.attempt for event, _ in result.judged]


def said(attempts: Sequence[Attempt]) -> list[str]:
    return [
        f"{attempt.candidate.id} {'accepted' if attempt.verdict.accepted else attempt.verdict.reason}"
        for attempt in attempts
    ]


def new_run(folder: Path) -> RunFolder:
    run = RunFolder.create(folder)
    run.journal.write(RunBegan())
    return run


# --- limits ------------------------------------------------------------------------------------------------

TOGETHER_BREAKS = {("a", "b"): ["v1"], ("a", "b", "c"): ["v1"]}


def test_winners_together_are_one_candidate_more_only_where_one_more_may_be(tmp_path: Path) -> None:
    found = Search(new_run(tmp_path), Played(), most=3).batch("a", "b")
    assert said(found) == [
        "c1 wins its cases and went into c3",
        "c2 wins its cases and went into c3",
        "c3 accepted",
    ]
    search = Search(new_run(tmp_path), Played(), most=2)
    result = search.round.run([proposed("a"), proposed("b")], search.best, search.memory, cast(Any, None))
    assert said(attempts_of(result)) == [
        "c1 accepted",
        "c2 wins its cases too, but is set aside for another try on top of c1",
    ]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_looks_at_the_held_out_cases_are_counted_inside_a_batch(tmp_path: Path, most: int) -> None:
    """Every proof is a look, that of winners put together too."""
    everything = [("a",), ("b",), ("c",), ("a", "b"), ("a", "b", "c")]
    search = Search(new_run(tmp_path), Played(broken={key: ["h1"] for key in everything}), looks=most)
    found = search.batch("a", "b", "c")
    assert search.memory.looks == most
    times = "1 time" if most == 1 else f"{most} times"
    unproven = (
        f"wins its cases, and could not be proven: the held-out cases were checked {times} (holdout_looks)"
    )
    lost = "held-out cases that passed before fail now"
    expected = {1: [unproven] * 3, 2: [lost, unproven, unproven], 3: [lost, lost, unproven]}[most]
    assert [attempt.verdict.reason for attempt in found] == [*expected, lost]
    assert not any(attempt.verdict.accepted for attempt in found)


def test_a_winner_of_the_same_cause_that_stays_out_of_a_merge_is_not_called_accepted(tmp_path: Path) -> None:
    search = Search(new_run(tmp_path), Played())
    batch = [proposed("a", "cause"), proposed("b", "cause"), proposed("c")]
    result = search.round.run(batch, search.best, search.memory, cast(Any, None))
    assert said(attempts_of(result)) == [
        "c1 wins its cases and went into c4",
        "c2 wins its cases too, but c4 was taken for the same cause",
        "c3 wins its cases and went into c4",
        "c4 accepted",
    ]


@pytest.mark.parametrize(
    ("tests", "live", "replayed", "seconds"),
    [(0.2, 0.5, 0.0, 60.0), (9.0, 8.0, 0.0, 90.0), (1.0, 0.0, 30.0, 310.0)],
)
def test_a_candidate_has_ten_times_the_baseline_and_at_least_a_minute(
    tests: float, live: float, replayed: float, seconds: float
) -> None:
    """A baseline that was answered from the cache would have taken its calls' time, too."""
    baseline = evaluation({"ta": False})
    baseline.items["ta"].duration = tests
    calls = [LLMCall(key="k", api="chat.completions", url="http://x", duration=live)]
    calls.append(calls[0].model_copy(update={"duration": replayed, "cache_hit": True}))
    baseline.traces["ta"] = Trace(pipeline="p", case_id="ta", llm_calls=calls)
    assert time_limit(baseline) == pytest.approx(seconds)


def test_a_candidate_that_takes_too_long_is_rejected_with_that_reason(tmp_path: Path) -> None:
    class Slow(Played):
        def candidate(
            self, candidate: Candidate, files: Mapping[str, bytes], parent: Evaluation, *more: object
        ) -> Evaluation:
            stopped = "time limit: the tests were ended after 60 s while ta was running"
            return Evaluation(loaded_files=["a.md"], complete=False, stopped=stopped)

    assert said(Search(new_run(tmp_path), Slow()).batch("a")) == [
        "c1 the tests could not finish with this edit: time limit: the tests were ended after "
        "60 s while ta was running"
    ]


# --- resume ------------------------------------------------------------------------------------------------


def journal(run: RunFolder) -> list[dict[str, Any]]:
    """The events without times and costs."""
    left_out: dict[str, Any] = {"time": True, "attempt": {"duration", "spending"}}
    return [event.model_dump(exclude=left_out) for event in run.journal.read()]


def search_all(run: RunFolder) -> list[Attempt]:
    """Three batches: a merge that breaks a case, its parts one by one, a candidate that brings nothing."""
    search = Search(run, Played(broken=TOGETHER_BREAKS | {("c",): ["v1"]}))
    return [*search.batch("a", "b"), *search.batch("c"), *search.batch("b", cluster="again")]


def cut(source: RunFolder, folder: Path, size: int) -> RunFolder:
    """The folder of a run whose journal ends after so many bytes, as a kill leaves it."""
    run = new_run(folder)
    (run.path / "journal.jsonl").write_bytes((source.path / "journal.jsonl").read_bytes()[:size])
    return run


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_wherever_the_journal_was_cut_off_the_end_is_the_same(tmp_path: Path, share: float) -> None:
    whole = new_run(tmp_path)
    expected = search_all(whole)
    began = (whole.path / "journal.jsonl").read_bytes().index(b"\n") + 1
    size = (whole.path / "journal.jsonl").stat().st_size
    again = cut(whole, tmp_path, began + int(share * (size - began)))
    assert said(search_all(again)) == said(expected)
    assert journal(again) == journal(whole)
    assert not (again.path / "journal-abandoned.jsonl").exists()


def test_what_a_resumed_run_does_otherwise_is_no_mixture(tmp_path: Path) -> None:
    """Ids stay unique where a model without a cache proposes something else after a kill."""
    run = new_run(tmp_path)
    Search(run, Played()).batch("a", "b")
    search = Search(run, Played())
    found = search.batch("c")
    assert said(found) == ["c1 accepted"]
    assert [event.attempt.candidate.edits[0].address for event in run.journal.of(CandidateJudged)] == ["c.md"]
    assert "a.md" in (run.path / "journal-abandoned.jsonl").read_text()


def test_a_torn_line_is_taken_out_and_records_end_with_the_run(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.journal.write(IterationBegan(number=1))
    with (run.path / "journal.jsonl").open("ab") as file:
        file.write(b'{"event": "prop')
    resumed = RunFolder(run.path)
    resumed.journal.go_over()
    assert resumed.journal.is_known
    resumed.journal.write(IterationBegan(number=1))
    assert not resumed.journal.is_known
    resumed.record("key", evaluation({"ta": True}))
    known = resumed.recorded("key")
    assert known is not None
    assert known.items["ta"].passed
    assert resumed.recorded("other") is None
    resumed.journal.write(RunFinished(stop="target"))
    assert RunFolder.newest_unfinished(tmp_path) is not None, "its report is not written yet"
    resumed.drop_records()
    assert resumed.recorded("key") is None
    assert RunFolder.newest_unfinished(tmp_path) is None
    assert [event.event for event in resumed.journal.read()] == ["began", "iteration", "finished"]


def test_a_run_of_the_version_before_is_resumed_without_a_new_event(tmp_path: Path) -> None:
    """Its journal was written when events had no types."""
    old = (Path(__file__).parent / "journals" / "batches.jsonl").read_bytes()
    run = new_run(tmp_path)
    run.journal.path.write_bytes(old)
    found = search_all(run)
    assert run.journal.path.read_bytes() == old
    assert [path.name for path in run.path.iterdir() if "journal" in path.name] == ["journal.jsonl"]
    assert [event.attempt for event in run.journal.of(CandidateJudged)] == found


EDIT = Edit(address="a.md", before="one", after="two")


def made_for(cluster: str, technique: str = "rewrite") -> Candidate:
    return Candidate(
        edits=[EDIT], hypothesis="It helps.", proposer="p", technique=technique, step="s", targets=[cluster]
    )


def source_of(cluster: str, technique: str = "rewrite") -> ProposerSource:
    """A proposer with one idea, for one cause."""
    named = SimpleNamespace(name="p", propose=lambda evidence: iter([made_for(cluster, technique)]))
    cause = Cluster(
        id=cluster, label="", pipeline="", step="s", category="label", level="prompt", confidence=1
    )
    return ProposerSource(cast(Any, named), cause, "prompt")


def judged_at(stage: str, candidate: Candidate) -> Attempt:
    return Attempt(
        candidate=candidate, review=Review(), verdict=Verdict(accepted=False, reason="No.", stage=stage)
    )


@pytest.mark.parametrize(("stage", "given"), [("targeted", True), ("train", False)])
def test_an_edit_that_two_causes_share_is_not_lost_with_the_first(stage: str, given: bool) -> None:
    """What was dropped after the first cause's cases says nothing about those of the second."""
    first, memory = made_for("k1"), Memory()
    source = source_of("k2")
    evidence = cast(Any, lambda cluster, level: SimpleNamespace())
    assert source.next(evidence, memory.known, {(first.edits_digest, False)}) is None
    memory.attempts.append(judged_at(stage, first))
    source.judged()
    assert (source.next(evidence, memory.known) is not None) is given
    assert source.ended is not given


def test_what_a_review_blocks_as_unrelated_is_proposed_for_the_cause_that_needs_all_of_it() -> None:
    memory = Memory()
    blocked = judged_at("review", made_for("k1"))
    memory.attempts.append(blocked)
    assert memory.known(made_for("k2"))
    assert not memory.known(made_for("k3", "joint-rewrite"))
    memory.attempts.append(blocked.model_copy(update={"replaced": [EDIT], "candidate": made_for("k1")}))
    assert not memory.known(made_for("k3", "joint-rewrite"))
