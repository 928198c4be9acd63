"""Runs of the loop's verdicts on a suite with noise, without running any test: edits that change nothing, and
one that makes a tenth of the cases right. What judges are the gate's own functions."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from pytest_fapo.core.candidate import Candidate, Verdict
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.verdict.candidate_gate import judge_cases, judge_suite
from pytest_fapo.verdict.comparison import Chance
from pytest_fapo.verdict.confirmation import Confirmation, confirmed_verdict
from pytest_fapo.verdict.fresh_samples import Tree
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.statistics import allowed_error

SIZES: dict[Split, int] = {"train": 50, "val": 50, "holdout": 25}
HOPELESS = 0.3
"""Share of the cases that the pipeline cannot do."""
GAIN = 0.1
"""Share of all cases that the right edit makes right."""
CANDIDATES = 20
_CALL = LLMCall(key="k", api="chat.completions", url="http://x")


@dataclass(frozen=True)
class Noise:
    """The random variations, as shares of runs.

    Args:
        fail: a case that the pipeline can do is answered wrong.
        luck: one that it cannot do is answered right.
        flip: the judge says the opposite.
        lenient: the judge lets a wrong answer pass.
    """

    fail: float = 0.0
    luck: float = 0.0
    flip: float = 0.0
    lenient: float = 0.0

    def passing(self, *, able: bool) -> float:
        """The probability that a run of a case passes."""
        right = 1 - self.fail if able else self.luck
        let_through = 1 - (1 - self.flip) * (1 - self.lenient)
        return right * (1 - self.flip) + (1 - right) * let_through

    def __str__(self) -> str:
        said = {
            "right answers fail": self.fail,
            "lucky passes": self.luck,
            "judge flips": self.flip,
            "judge lets bad ones pass": self.lenient,
        }
        return ", ".join(f"{name} {share:.0%}" for name, share in said.items() if share) or "no noise"


@dataclass
class Suite:
    """One run's cases and its draws.

    Args:
        noise: what varies.
        policy: of the gate.
        repeats: as of `--fapo-repeats`.
        seed: of every draw.
    """

    noise: Noise
    policy: GatePolicy
    repeats: int
    seed: int
    runs: int = 0
    """Items run beyond the first evaluation."""
    _parent: dict[tuple[str, int], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = random.Random(f"{self.noise}{self.policy.name}{self.repeats}{self.seed}")
        self.able: dict[str, bool] = {}
        self.helped: dict[str, bool] = {}
        for split, size in SIZES.items():
            for number in range(size):
                name = f"{split}{number}"
                self.able[name] = number >= HOPELESS * size
                self.helped[name] = self.able[name] or number < GAIN * size

    def evaluation(self, able: Mapping[str, bool]) -> Evaluation:
        """Every case run again."""
        items = [
            _item(name, repeat, self._passes(can))
            for name, can in able.items()
            for repeat in range(1, self.repeats + 1)
        ]
        return Evaluation.model_construct(
            items={item.nodeid: item for item in items}, traces=_traces(self.repeats)
        )

    def judged(
        self, candidate: Candidate, before: Evaluation, able: Mapping[str, bool], asked: int
    ) -> _Judged:
        """One candidate's way through the gate.

        Args:
            candidate: aims at what fails.
            before: the parent's evaluation.
            able: what the edited tree can do.
            asked: how many candidates were asked again before it.
        """
        whole = self.evaluation(able)
        ran: set[str] = set()

        def evaluate(chance: Chance) -> Evaluation:
            after = self._staged(before, whole, chance)
            self.runs += len(after.items.keys() - ran)
            ran.update(after.items)
            return after

        def ask(tree: Tree, names: Sequence[str], sample: int) -> Evaluation:
            return self._again(tree, names, sample, able)

        def judge(after: Evaluation, chance: Chance) -> Verdict:
            verdict = judge_cases(candidate, before, after, policy=self.policy, chance=chance)
            if verdict.accepted:
                verdict = judge_suite(before, after, policy=self.policy, chance=chance)
            return verdict

        confirmation = Confirmation(before, ask, lambda: allowed_error(asked + 1), self.policy)
        _, verdict = confirmed_verdict(confirmation, evaluate, judge)
        return _Judged(verdict, confirmation.gains_rerun)

    def _staged(self, before: Evaluation, whole: Evaluation, chance: Chance) -> Evaluation:
        """Return an evaluation in stages, as far as it goes before it is dropped."""
        luck = {name for _, name in chance}
        items: dict[str, ItemResult] = {}
        for split in ("train", "val", "holdout"):
            mine = [nodeid for nodeid, item in before.items.items() if item.split == split]
            items.update({nodeid: whole.items[nodeid] for nodeid in mine})
            guarded = set(self.policy.protected(before, mine)) - luck
            if split != "holdout" and any(not whole.items[nodeid].passed for nodeid in guarded):
                return Evaluation.model_construct(items=items, dropped_at=split)
        return whole

    def _again(self, tree: Tree, names: Sequence[str], sample: int, able: Mapping[str, bool]) -> Evaluation:
        items = {}
        for name in names:
            case = name[name.index("[") + 1 : -1]
            if tree == "edited":
                passed = self._passes(able[case])
                self.runs += 1
            else:  # the same for all candidates: their answers are recorded
                if (case, sample) not in self._parent:
                    self._parent[case, sample] = self._passes(self.able[case])
                    self.runs += 1
                passed = self._parent[case, sample]
            items[name] = _item(case, 1, passed)
        return Evaluation.model_construct(items=items)

    def _passes(self, able: bool) -> bool:
        return self.draw.random() < self.noise.passing(able=able)


@dataclass(frozen=True)
class _Judged:
    verdict: Verdict
    asked: bool


@dataclass(frozen=True)
class Ran:
    """The candidates that a run accepted, and its cost."""

    null: int
    """Edits that change nothing."""
    right: bool
    runs: int
    """Of a case, all trees and samples together."""
    candidates: int


def candidates_judged(
    noise: Noise,
    policy: GatePolicy,
    repeats: int,
    seed: int,
    *,
    right: bool,
    candidates: int = CANDIDATES,
) -> Ran:
    """A whole run: edits that change nothing, with one that helps in their middle or without.

    A run ends with the first candidate that it accepts.
    """
    suite = Suite(noise, policy, repeats, seed)
    before = suite.evaluation(suite.able)
    failing = [item.nodeid for item in before.in_split("train") if not item.passed and item.repeat == 1]
    asked = 0
    for number in range(1, candidates + 1):
        helps = right and number == candidates // 2
        candidate = Candidate.model_construct(targets=failing, demonstrations=[], edits=[])
        judged = suite.judged(candidate, before, suite.helped if helps else suite.able, asked)
        asked += judged.asked
        if judged.verdict.accepted:
            return Ran(int(not helps), helps, suite.runs, number)
        if helps:
            return Ran(0, False, suite.runs, number)
    return Ran(0, False, suite.runs, candidates)


@cache
def _item(name: str, repeat: int, passed: bool) -> ItemResult:
    split: Split = next(split for split in SIZES if name.startswith(split))
    nodeid = f"test[{name}]" if repeat == 1 else f"test[{name}~r{repeat}]"
    return ItemResult.model_construct(
        nodeid=nodeid,
        outcome="passed" if passed else "failed",
        split=split,
        case_id=name,
        pipeline="p",
        repeat=repeat,
        trace_id=nodeid,
    )


@cache
def _traces(repeats: int) -> dict[str, Trace]:
    traces = {}
    for split, size in SIZES.items():
        for number in range(size):
            for repeat in range(1, repeats + 1):
                item = _item(f"{split}{number}", repeat, True)
                traces[item.nodeid] = Trace.model_construct(
                    pipeline="p", case_id=item.case_id, llm_calls=[_CALL]
                )
    return traces
