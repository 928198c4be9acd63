"""The loss without a part; these functions run in processes of their own, which part by part changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.ablation.evaluating import TreeRunner, preload
from benchmarks.ablation.parts import Listening, Part, leave_out, took_part
from benchmarks.ablation.short_loop import MOST_TRIED, Named, ShortLoop, Tuned, named
from benchmarks.ablation.subjects import Subject
from benchmarks.planted.project import Project
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.errors import FapoError


@dataclass(frozen=True)
class Reference:
    """The result of a project with all parts."""

    subject: Subject
    tuned: Tuned
    words: dict[str, list[str]]
    """Part to what its candidates are called."""
    rules: frozenset[str]
    """Rules that gave a finding on the way."""

    @property
    def most(self) -> int:
        """Candidates that a run without a part may evaluate: twice as many as the reference, and four."""
        return min(MOST_TRIED, 2 * self.tuned.tried + 4)

    @property
    def repaired(self) -> bool:
        return len(self.tuned.passing) == self.tuned.total

    def concerns(self, part: Part) -> bool:
        """True if the project's result can owe something to the part."""
        if part.kind == "rule":
            return part.name in self.rules
        return took_part(part, self.tuned.techniques, self.words)


@cache
def _listening() -> Listening:
    """Of this process."""
    listening = Listening()
    listening.begin()
    return listening


def tune_with_all(subject: Subject, folder: Path) -> Reference:
    """Tune a project with all parts; `folder` keeps the evaluations.

    A handmade project that cannot be run here, or in which nothing fails, concerns no part.
    """
    listening = _listening()
    listening.forget()
    try:
        tuned = _loop(subject, folder).run()
    except FapoError:
        if subject.fault is not None:
            raise
        return Reference(subject, Tuned(frozenset(), 0, 0), {}, frozenset())
    words = {key: sorted(found) for key, found in listening.words.items()}
    return Reference(subject, tuned, words, frozenset(listening.rules))


def loss_without(parts: Sequence[Part], references: Sequence[Reference], folder: Path) -> str:
    """Return the loss of the first project that loses anything without the parts; empty if none does."""
    for reference in references:
        with _left_out(parts):
            lost = _lost(reference, folder)
        if lost:
            return f"{reference.subject.name}: {lost}"
    return ""


def _lost(reference: Reference, folder: Path) -> str:
    loop = _loop(reference.subject, folder, reference.most)
    lost = _worse_named(reference, loop.diagnosis())
    if lost:
        return lost
    before, after = reference.tuned, loop.run()
    gone = len(before.passing) - len(after.passing)
    return f"{gone} of {len(before.passing)} passing items are lost" if gone > 0 else ""


def _worse_named(reference: Reference, findings: Sequence[Finding]) -> str:
    """In what the causes are named worse than with all parts; without a planted fault any change counts."""
    fault, before = reference.subject.fault, reference.tuned.findings
    now = [named(each) for each in findings]
    if fault is None:
        other = len({each[:3] for each in before} - {each[:3] for each in now})
        return f"another step or level is named in {other} of {len(before)} failing items" if other else ""
    told = {"step": (fault.step, *fault.also), "level": (fault.level,), "category": (fault.category,)}
    for number, (what, right) in enumerate(told.items(), start=1):
        was, is_now = _share(before, number, right), _share(now, number, right)
        if is_now < was:
            return f"the {what} is named in {is_now:.0%} of its failing cases instead of {was:.0%}"
    return ""


def _share(causes: Sequence[Named], number: int, right: Collection[str]) -> float:
    return sum(each[number] in right for each in causes) / len(causes) if causes else 0.0


@contextmanager
def _left_out(parts: Sequence[Part]) -> Iterator[None]:
    undo = [leave_out(part) for part in parts]
    try:
        yield
    finally:
        for put_back in reversed(undo):
            put_back()


def _loop(subject: Subject, folder: Path, most: int = MOST_TRIED) -> ShortLoop:
    preload()
    mine = folder / subject.name
    mine.mkdir(exist_ok=True)
    options = [f"--fapo-repeats={subject.repeats}"] if subject.repeats > 1 else []
    runner = TreeRunner(Project(subject.root, subject.url), mine, *options)
    return ShortLoop(runner, subject.unseen, most, apart=subject.apart)
