"""Rows: planted faults are repaired, and no accepted change breaks a case that nobody looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from benchmarks.planted import optimizers
from benchmarks.planted.lab import Lab
from benchmarks.planted.server import Answerer
from benchmarks.planted.spec import Planted
from benchmarks.planted.table import Figure, share

PLAYBOOK_BAR = 0.85
FIXED = 0.9
"""Share of the hidden cases broken by the fault that must pass for a fault to count as repaired."""
TIME_LIMIT = 150
"""Seconds for one run."""


@dataclass(frozen=True)
class Repair:
    """The effect of one run of `--fapo-optimize` on a faulty pipeline, seen by its hidden cases."""

    planted: Planted
    failing: frozenset[str]
    """Hidden cases that failed before the run."""
    fixed: frozenset[str]
    broken: frozenset[str]
    changed: bool
    code: int
    said: str

    @property
    def repaired(self) -> bool:
        return bool(self.failing) and len(self.fixed) >= FIXED * len(self.failing) and not self.broken


class Workshop:
    """Runs optimizers on faulty pipelines; keeps what every run did to the hidden cases.

    Args:
        lab: where they run.
        time_limit: seconds for one run; twice that and it is ended from outside.
    """

    def __init__(self, lab: Lab, time_limit: int = TIME_LIMIT) -> None:
        self.done: list[Repair] = []
        self._lab = lab
        self._time_limit = time_limit
        self._before = cache(self._failing_before)

    def repair(
        self, planted: Planted, optimizer: str, answerer: Answerer | None = None, *options: str
    ) -> Repair:
        """Run one optimizer on a faulty pipeline, then try the hidden cases on what it wrote.

        Args:
            planted: the pipeline.
            optimizer: as in the setting `optimizer`.
            answerer: plays the model that the optimizer asks.
            options: further command-line options.
        """
        model = optimizers.harmed(planted)
        project = self._lab.project(planted, planted.faulty, model=model, optimizer=answerer)
        project.configure(optimizer=[optimizer], diagnoser="off", reviewer="off")
        before = project.sources()
        repeats = [f"--fapo-repeats={planted.repeats}"] if planted.repeats > 1 else []
        ran = project.pytest(
            "--fapo-optimize",
            "--tb=no",
            f"--fapo-time-limit={self._time_limit}",
            *repeats,
            *options,
            timeout=2 * self._time_limit,
        )
        after = project.sources()
        failing = self._before(planted)
        left = self._hidden_failures(planted, after) if after != before else failing
        repair = Repair(
            planted,
            failing,
            fixed=failing - left,
            broken=left - failing,
            changed=after != before,
            code=ran.code,
            said=_last_words(ran.output),
        )
        self.done.append(repair)
        return repair

    def _failing_before(self, planted: Planted) -> frozenset[str]:
        return self._hidden_failures(planted, planted.faulty)

    def _hidden_failures(self, planted: Planted, files: dict[str, str]) -> frozenset[str]:
        """Ids of the hidden cases that fail on these files."""
        model = optimizers.harmed(planted)
        project = self._lab.project(planted, {**planted.faulty, **files}, hidden=True, splits=(), model=model)
        ran = project.pytest("--tb=no", "-rfE", "--fapo-cache=off")
        found = re.findall(r"^(?:FAILED|ERROR) \S+?\[([^\]]+)\]", ran.output, re.M)
        if ran.code not in (0, 1) or (ran.code == 1 and not found):
            return frozenset(str(case["id"]) for case in planted.cases()["hidden"])
        return frozenset(found)


def playbook(workshop: Workshop, lab: Lab, pipelines: Sequence[Planted]) -> Figure:
    """The playbook alone, on every fault that is textual or a parameter."""
    suited = [planted for planted in pipelines if planted.fault.level != "structure"]
    done = lab.each(lambda planted: workshop.repair(planted, "playbook"), suited)
    return _figure("repaired: playbook alone (text, parameter)", done, PLAYBOOK_BAR, "≥ 85 %", "")


def helpful(workshop: Workshop, lab: Lab, pipelines: Sequence[Planted]) -> Figure:
    """An optimizer that knows the fault, over the LLM proposer's protocol, at all levels."""
    done = lab.each(
        lambda planted: workshop.repair(planted, "openai:opt-helpful", optimizers.helpful(planted)),
        pipelines,
    )
    return _figure(
        "repaired: helpful optimizer, all levels", done, 1.0, "100 %", "GEPA cannot touch structure"
    )


def hidden(workshop: Workshop, lab: Lab, pipelines: Sequence[Planted]) -> Figure:
    """Useless, destructive and flaky optimizers; and every other run of this invocation."""
    makers: tuple[tuple[str, Callable[[Planted], Answerer]], ...] = (
        ("openai:opt-destructive", optimizers.destructive),
        ("openai:opt-useless", optimizers.useless),
        ("openai:opt-flaky", optimizers.flaky),
    )
    jobs = [(planted, name, make) for planted in pipelines for name, make in makers]
    lab.each(lambda job: workshop.repair(job[0], job[1], job[2](job[0])), jobs)
    broken = [repair for repair in workshop.done if repair.broken]
    accepted = sum(repair.changed for repair in workshop.done)
    return Figure(
        "accepted changes that break a hidden case",
        "0",
        f"{len(broken)} of {accepted} changed trees ({len(workshop.done)} runs)",
        not broken and accepted > 0,
        notes=[f"{repair.planted.name}: breaks {', '.join(sorted(repair.broken))}" for repair in broken],
    )


def _figure(name: str, done: Sequence[Repair], bar: float, words: str, rival: str) -> Figure:
    repaired = sum(repair.repaired for repair in done)
    notes = [
        f"{repair.planted.name} ({repair.planted.fault.level}): "
        f"{len(repair.fixed)} of {len(repair.failing)} hidden cases fixed, "
        f"{len(repair.broken)} broken; exit code {repair.code}; {repair.said}"
        for repair in done
        if not repair.repaired
    ]
    return Figure(name, words, share(repaired, len(done)), repaired >= bar * len(done) > 0, rival, notes)


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[:300]
