"""The parts of the search: merging, the pool, equivalence, the ladder, batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, Verdict
from pytest_fapo.core.diagnosis import Cluster, Diagnosis, Finding
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Level
from pytest_fapo.core.settings import Settings
from pytest_fapo.loop.batch import Gathering, ProposerSource, Round, RoundResult
from pytest_fapo.loop.candidate_merge import CandidatePool, merged, merged_text, needed_parts
from pytest_fapo.loop.events import CandidateJudged
from pytest_fapo.loop.ladder import Ladder
from pytest_fapo.loop.search_state import BestTree, Memory, fingerprint
from pytest_fapo.loop.trial import Judged, ReviewedCandidate
from pytest_fapo.propose.proposer import ProposalFailed
from pytest_fapo.verdict.policy import GatePolicy

BASE = "Sort the mail.\n\nMail: {mail}\n"


def candidate(
    after: str, *, id: str = "c1", address: str = "p.md", technique: str = "rule", **more: object
) -> Candidate:
    values = {
        "id": id,
        "edits": [Edit(address=address, before=BASE, after=after)],
        "hypothesis": f"why {id}",
        "proposer": "playbook",
        "technique": technique,
        "step": address.partition(".")[0],
        "targets": ["t[1]"],
    }
    return Candidate.model_validate(values | more)


# --- merging ------------------------------------------------------------------------------------------


def test_additions_in_different_places_and_in_the_same_place_come_together() -> None:
    top = "Be brief.\n" + BASE
    bottom = BASE + "\nAnswer with one word.\n"
    other = BASE + "\nNo greeting.\n"
    assert merged_text(BASE, top, bottom) == "Be brief.\n" + BASE + "\nAnswer with one word.\n"
    both = merged_text(BASE, bottom, other)
    assert both is not None
    assert both.startswith(BASE)
    assert "Answer with one word.\n" in both
    assert "No greeting.\n" in both


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BASE.replace("Sort", "Order"), BASE.replace("Sort", "Classify")),
        (BASE.replace("Sort the mail.\n", ""), BASE.replace("Sort", "Classify")),
    ],
)
def test_changes_of_the_same_line_do_not(one: str, other: str) -> None:
    assert merged_text(BASE, one, other) is None


def test_a_text_without_a_newline_at_its_end_keeps_it_so() -> None:
    assert merged_text("a\nb", "x\na\nb", "a\nb\nc") == "x\na\nb\nc"


def test_a_merge_keeps_what_it_was_made_of() -> None:
    one = candidate(BASE + "Brief.\n", id="c1", targets=["t[1]", "t[2]"], demonstrations=["k1"])
    other = candidate("Find it.\n", id="c2", address="q.md", targets=["t[2]", "t[3]"], level="param")
    both = merged([one, other])
    assert both is not None
    assert [edit.address for edit in both.edits] == ["p.md", "q.md"]
    assert both.merges == ["c1", "c2"]
    assert both.targets == ["t[1]", "t[2]", "t[3]"]
    assert both.level == "param"
    assert both.demonstrations == ["k1"]
    assert merged([candidate("5", address="s.py::K"), candidate("7", address="s.py::K")]) is None


# --- equivalence --------------------------------------------------------------------------------------


SHORT, LONG = BASE + "One word.\n", BASE + "Answer with one word and with nothing else at all.\n"


@pytest.mark.parametrize(
    ("fixed", "needed"),
    [
        ((["a"], ["b"]), [0, 1]),
        ((["a", "b"], ["a", "b"]), [1]),
        ((["a", "b"], ["a"]), [0]),
        ((["a", "b"], ["b", "c"], ["a", "c"]), [0, 1]),
        ((["a"], ["b"], ["a", "b"]), [2]),
        ((["a"], ["a", "b"], ["c"]), [1, 2]),
        (([], ["a"]), [1]),
        (([], []), [0, 1]),
    ],
)
def test_a_merge_keeps_only_parts_that_add_something(fixed: tuple[list[str], ...], needed: list[int]) -> None:
    parts = [candidate(LONG, id="c1"), candidate(SHORT, id="c2"), candidate(LONG + "!", id="c3")]
    gains = [dict.fromkeys(names, 1.0) for names in fixed]
    assert needed_parts(parts[: len(gains)], gains) == needed


def test_of_equal_parts_the_cheaper_level_and_then_the_shorter_edit_stays() -> None:
    gains = [{"a": 1.0}, {"a": 1.0}, {"a": 1.0}]
    code = candidate(SHORT, id="c1", level="structure")
    assert needed_parts([code, candidate(LONG), candidate(SHORT)], gains) == [2]
    assert needed_parts([candidate(LONG), code, candidate(LONG)], gains) == [0]


def test_a_part_that_lifts_a_score_further_is_needed() -> None:
    parts = [candidate(LONG), candidate(SHORT)]
    assert needed_parts(parts, [{"bleu of a": 0.5}, {"bleu of a": 0.7}]) == [1]
    assert needed_parts(parts, [{"bleu of a": 0.9}, {"bleu of a": 0.7}]) == [0]


def test_an_edit_that_is_only_spelled_otherwise_is_the_same() -> None:
    assert fingerprint(candidate(BASE + "Be  brief.\n")) == fingerprint(candidate(BASE + "\nBe brief. \n\n"))
    assert fingerprint(candidate(BASE + "Be brief.\n")) != fingerprint(candidate(BASE + "Be brief!\n"))
    code = "def f(x):\n    return x  # the same\n"
    plain = "def f( x ):\n\n    return (x)\n"
    assert fingerprint(candidate(code, address="a.py::f")) == fingerprint(candidate(plain, address="a.py::f"))
    assert fingerprint(candidate("0.50", address="a.py::T")) == fingerprint(
        candidate("0.5", address="a.py::T")
    )
    assert fingerprint(candidate("5", address="a.py::T")) != fingerprint(candidate("6", address="a.py::T"))


def test_indentation_in_code_counts() -> None:
    one = "def f(x):\n    if x:\n        a()\n    b()\n"
    other = "def f(x):\n    if x:\n        a()\n        b()\n"
    assert fingerprint(candidate(one, address="a.py::f")) != fingerprint(candidate(other, address="a.py::f"))


# --- the pool -----------------------------------------------------------------------------------------


def evaluation(passing: str, all_items: str = "abcdef") -> Evaluation:
    items = {
        name: ItemResult(nodeid=name, outcome="passed" if name in passing else "failed", split="train")
        for name in all_items
    }
    return Evaluation(items=items)


def rejected(name: str) -> Attempt:
    verdict = Verdict(accepted=False, reason="broke some", stage="train")
    made = candidate(f"{BASE}{name}\n", id=name, address=f"{name}.md")
    return Attempt(candidate=made, review=Review(), verdict=verdict)


def test_the_pool_keeps_the_front_and_drops_what_is_dominated() -> None:
    before, pool = evaluation("ab"), CandidatePool()
    pool.add(rejected("c1"), before, evaluation("ac"))
    pool.add(rejected("c2"), before, evaluation("bd"))
    pool.add(rejected("c3"), before, evaluation("acd"))  # better than c1 on every case
    pool.add(rejected("c4"), before, evaluation("a"))  # fixes nothing
    pool.add(rejected("c5"), before, evaluation("d"))  # c2 fixes that too
    assert [entry.candidate.id for entry in pool.entries] == ["c3", "c2"]
    pool.prune(evaluation("abcd"))
    assert pool.entries == []


def test_pairs_make_up_for_each_other() -> None:
    before, pool = evaluation("ab"), CandidatePool()
    pool.add(rejected("c1"), before, evaluation("ac"))  # breaks b, fixes c
    pool.add(rejected("c2"), before, evaluation("bde"))  # breaks a, fixes d and e
    pool.add(rejected("c3"), before, evaluation("bf"))  # breaks a too
    assert [pair.merges for pair in pool.pairs()] == [["c2", "c1"], ["c1", "c3"]]


# --- the ladder ---------------------------------------------------------------------------------------


def cluster(step: str, level: Level = "prompt", *, also: tuple[str, ...] = ()) -> Cluster:
    nodeid = f"t[{step}]"
    finding = Finding(
        nodeid=nodeid,
        case_id=step,
        pipeline="p",
        step=step,
        category="content",
        level=level,
        confidence=0.9,
        evidence="it is wrong",
    )
    return Cluster(
        id=f"k-{step}",
        label=f"{step}: wrong",
        pipeline="p",
        step=step,
        category="content",
        level=level,
        confidence=0.9,
        findings=[finding],
        also=list(also),
    )


def test_each_level_takes_its_own_causes_and_those_that_cheaper_levels_left() -> None:
    diagnosis = Diagnosis(clusters=[cluster("a"), cluster("b", "structure"), cluster("c", "param")])
    ladder = Ladder(["structure", "prompt", "param"])
    assert ladder.levels == ("prompt", "param", "structure")
    steps = {level: [each.step for each in ladder.clusters(diagnosis, level)] for level in ladder.levels}
    assert steps == {"prompt": ["a"], "param": ["c", "a"], "structure": ["b", "a", "c"]}


def test_causes_with_one_step_at_fault_come_first() -> None:
    diagnosis = Diagnosis(clusters=[cluster("both", also=("other",)), cluster("one")])
    assert [each.step for each in Ladder(["prompt"]).clusters(diagnosis, "prompt")] == ["one", "both"]


def test_three_techniques_without_gain_exhaust_a_level_and_variants_are_one_technique() -> None:
    ladder, one = Ladder(["prompt", "structure"]), cluster("a")
    for technique in ("label set", "label set (variant 2)", "definitions"):
        ladder.no_gain(candidate("x", technique=technique), one, "prompt", best="")
        assert not ladder.exhausted(one, "prompt", "playbook")
    ladder.no_gain(candidate("x", technique="text form"), one, "prompt", best="")
    assert ladder.exhausted(one, "prompt", "playbook")
    assert not ladder.exhausted(one, "structure", "playbook")
    assert not ladder.exhausted(one, "prompt", "openai:m")
    left = ladder.leave("prompt", Diagnosis(clusters=[one]), 0.5)
    assert left.reason == "exhausted"
    assert "4 candidates of 3 techniques" in left.detail
    assert str(left) in ladder.why("structure")


def test_a_level_is_left_as_resolved_or_at_its_ceiling() -> None:
    ladder = Ladder(["prompt", "param", "structure"])
    deep = Diagnosis(clusters=[cluster("a", "structure")], ceilings={"prompt": 0.5})
    assert ladder.leave("param", deep, 0.5).reason == "resolved"
    own = Diagnosis(clusters=[cluster("a")], ceilings={"prompt": 0.5})
    assert ladder.leave("prompt", own, 0.5).reason == "ceiling"
    assert ladder.leave("prompt", own, 0.4).reason == "nothing to propose"


def test_a_level_at_which_something_was_tried_says_so_where_no_cause_is_of_it() -> None:
    ladder, cheaper = Ladder(["prompt", "param"]), cluster("a")
    ladder.no_gain(candidate("x"), cheaper, "param", best="")
    left = ladder.leave("param", Diagnosis(clusters=[cheaper]), 0.5)
    assert left.detail == "1 candidate tried without gain; no open cause is of this level, train is at 50 %"


def test_what_was_exhausted_on_an_earlier_tree_gets_one_more_turn() -> None:
    ladder, one = Ladder(["prompt"]), cluster("a")
    ladder.nothing_more(one, "prompt", "playbook", best="")
    ladder.accepted()
    assert ladder.exhausted(one, "prompt", "playbook")
    assert ladder.second_turn("c1")
    assert not ladder.exhausted(one, "prompt", "playbook")
    assert not ladder.second_turn("c1")


# --- batches ------------------------------------------------------------------------------------------


class Scripted:
    """A proposer with so many ideas per cluster."""

    def __init__(self, name: str, ideas: dict[str, int], fails: bool = False) -> None:
        self.name = name
        self._ideas = ideas
        self._fails = fails

    def check(self) -> None: ...

    def propose(self, evidence: Evidence) -> Iterator[Candidate]:
        if self._fails:
            raise ProposalFailed("the model is gone", proposer=self.name, again=False)
        for number in range(self._ideas.get(evidence.cluster.step, 0)):
            yield candidate(f"{evidence.cluster.step} {number}", technique=f"{self.name} {number}")

    def revise(self, candidate: Candidate, review: Review, evidence: Evidence) -> Candidate | None:
        return None


def gathering(proposers: list[Scripted], steps: list[str], failed: list[str]) -> Gathering:
    clusters = [cluster(step) for step in steps]
    known: set[str] = set()

    def seen(made: Candidate) -> bool:
        text = made.edits[0].after
        before = text in known
        known.add(text)
        return before

    return Gathering(
        level="prompt",
        sources=[ProposerSource(proposer, each, "prompt") for proposer in proposers for each in clusters],
        ladder=Ladder(["prompt"]),
        best="",
        evidence=lambda each, level: Evidence(cluster=each, cases=[], artifacts=[], level=level),
        known=seen,
        failed=lambda each, level, error: failed.append(str(error)),
    )


def texts(batch: list[object]) -> list[str]:
    return [each.candidate.edits[0].after for each in batch]  # type: ignore[attr-defined]


def test_a_batch_takes_one_of_each_cluster_before_the_second_of_any() -> None:
    failed: list[str] = []
    made = gathering([Scripted("one", {"a": 3, "b": 1}), Scripted("two", {"a": 1})], ["a", "b"], failed)
    assert texts([*made.batch(3)]) == ["a 0", "b 0", "a 1"]
    made.judged()
    assert texts([*made.batch(3)]) == ["a 2"]
    made.judged()
    assert made.batch(3) == []
    assert failed == []


@pytest.mark.parametrize("size", [1, 2])
def test_a_proposer_with_one_idea_at_a_time_is_asked_again_after_each_verdict(size: int) -> None:
    class Slow(Scripted):
        """Like a model that is asked for one proposal per request."""

        asked = 0

        def propose(self, evidence: Evidence) -> Iterator[Candidate]:
            self.asked += 1
            if self.asked <= 3:
                yield candidate(f"idea {self.asked}", technique=f"idea {self.asked}")

    made = gathering([Slow("slow", {})], ["a"], [])
    found = []
    while batch := made.batch(size):
        found += texts([*batch])
        made.judged()
    assert found == ["idea 1", "idea 2", "idea 3"]


def test_the_next_proposer_is_asked_when_the_first_has_nothing_more() -> None:
    failed: list[str] = []
    made = gathering([Scripted("one", {}), Scripted("two", {"a": 1})], ["a"], failed)
    assert texts([*made.batch(2)]) == ["a 0"]


def test_a_proposer_that_fails_does_not_keep_the_next_from_its_turn() -> None:
    failed: list[str] = []
    made = gathering([Scripted("one", {}, fails=True), Scripted("two", {"a": 1})], ["a"], failed)
    assert texts([*made.batch(2)]) == ["a 0"]
    assert failed == ["the model is gone"]


# --- a round --------------------------------------------------------------------------------------------


class OneRound:
    """A round whose candidates are judged by what each is said to fix."""

    def __init__(self, *winners: tuple[Candidate, list[str]]) -> None:
        self.winners = winners
        self.proposed: list[Candidate] = []
        self.before = evaluation_of("t[1]", "t[2]", "t[3]", passing=())

    def prepare(self, candidate: Candidate, best: BestTree, proposed: object = None) -> ReviewedCandidate:
        self.proposed.append(candidate)
        return ReviewedCandidate(candidate, Review(), files={"p.md": candidate.edits[0].after.encode()})

    def judge(self, batch: Sequence[ReviewedCandidate], best: BestTree) -> list[Judged]:
        return [
            self._judged(prepared, fixed, proven=False)
            for prepared, (_, fixed) in zip(batch, self.winners, strict=True)
        ]

    def prove(self, prepared: ReviewedCandidate, best: BestTree) -> Judged:
        parts = prepared.candidate.merges or [prepared.candidate.id]
        names = {
            name
            for number, (_, fixed) in enumerate(self.winners, 1)
            if f"c{number}" in parts
            for name in fixed
        }
        return self._judged(prepared, sorted(names), proven=True)

    def _judged(self, prepared: ReviewedCandidate, fixed: list[str], *, proven: bool) -> Judged:
        verdict = Verdict(accepted=True, reason="wins", stage="suite" if proven else "val", fixed=fixed)
        after = evaluation_of(*self.before.items, passing=fixed)
        return Judged(prepared, verdict, after, proven)

    def record(self, judged: Judged) -> CandidateJudged:
        attempt = Attempt(candidate=judged.candidate, review=Review(), verdict=judged.verdict)
        return CandidateJudged(tree="", attempt=attempt)

    def run(self) -> RoundResult:
        run = SimpleNamespace(journal=SimpleNamespace(write=lambda _: None), save_text=lambda *_: None)
        request: Any = SimpleNamespace(run=run, policy=GatePolicy(), settings=Settings(), max_candidates=None)
        desk: Any = self
        batch: list[Any] = [SimpleNamespace(candidate=candidate) for candidate, _ in self.winners]
        memory, evidence = Memory(), desk
        return Round(request, desk, desk).run(batch, BestTree(self.before), memory, evidence)


def evaluation_of(*nodeids: str, passing: Sequence[str]) -> Evaluation:
    items = {
        name: ItemResult(nodeid=name, split="train", outcome="passed" if name in passing else "failed")
        for name in nodeids
    }
    return Evaluation(items=items)


def test_of_two_winners_that_fix_the_same_one_is_accepted_and_the_other_not_tried_again() -> None:
    all_three = ["t[1]", "t[2]", "t[3]"]
    one = candidate(LONG, cluster="k1"), all_three
    other = candidate(SHORT, address="q.md", cluster="k2"), all_three
    result = OneRound(one, other).run()
    attempts = [event.attempt for event, _ in result.judged]
    assert [attempt.candidate.merges for attempt in attempts] == [[], []]
    assert [attempt.verdict.accepted for attempt in attempts] == [False, True]
    assert attempts[0].verdict.reason == "fixes its cases too, but none that c2 does not fix"
    assert result.waiting == []


def test_of_three_winners_the_two_that_are_needed_are_merged() -> None:
    result = OneRound(
        (candidate(LONG, address="a.md", cluster="k1"), ["t[1]", "t[2]"]),
        (candidate(SHORT, address="b.md", cluster="k2"), ["t[2]"]),
        (candidate(SHORT, address="c.md", cluster="k3"), ["t[3]"]),
    ).run()
    verdicts = {event.attempt.candidate.id: event.attempt for event, _ in result.judged}
    assert verdicts["c4"].candidate.merges == ["c1", "c3"]
    assert [verdicts[name].verdict.kept for name in ("c1", "c2", "c3")] == ["c4", "", "c4"]
    assert [name for name, attempt in verdicts.items() if attempt.verdict.accepted] == ["c4"]


def test_techniques_without_gain_make_a_cause_less_sure_until_something_is_accepted() -> None:
    ladder, one, other = Ladder(["prompt", "param"]), cluster("a"), cluster("b")
    found = Diagnosis(clusters=[one, other])
    assert ladder.less_sure(found) == found
    sure = []
    for technique in ("label set", "label set (variant 2)", "definitions", "text form"):
        ladder.no_gain(candidate("x", technique=technique), one, "prompt", best="")
        after, same = ladder.less_sure(found).clusters
        assert same == other
        sure.append((after.tried, after.confidence))
    assert sure == [(1, 0.86), (1, 0.86), (2, 0.8), (3, 0.73)]
    ladder.accepted()
    assert ladder.less_sure(found) == found
