"""What was tried and what came of it, on one line."""

from __future__ import annotations

from pytest_fapo.models import Attempt, Candidate, Split
from pytest_fapo.percents import percents
from pytest_fapo.report.terminal import Part
from pytest_fapo.report.words import count, one_line

_SHOWN_SPLITS: tuple[Split, ...] = ("train", "val")


def what(candidate: Candidate) -> str:
    """`triage · label definitions · app/prompts/triage.md`."""
    addresses = list(dict.fromkeys(edit.address for edit in candidate.edits))
    place = addresses[0] if addresses else ""
    if len(addresses) > 1:
        place = f"{place} and {len(addresses) - 1} more"
    technique = candidate.technique.replace("-", " ").replace("_", " ")
    return " · ".join(one_line(part) for part in (candidate.step, technique, place) if part)


def outcome(attempt: Attempt) -> str:
    """`accepted: …`, `rejected at val: …` or `blocked in review: …`."""
    if attempt.verdict.accepted:
        return f"accepted: {_gain(attempt)}"
    if attempt.verdict.kept:
        return one_line(f"merged: {attempt.verdict.reason}")
    if not attempt.candidate.edits:
        return one_line(f"failed: {attempt.verdict.reason or 'no reason recorded'}")
    blocking = [problem for problem in attempt.review.problems if problem.blocks]
    if blocking:
        more = f" (and {count(len(blocking) - 1, 'further objection')})" if len(blocking) > 1 else ""
        return one_line(f"blocked in review: {blocking[0].check}: {blocking[0].message}") + more
    stage = f" at {attempt.verdict.stage}" if attempt.verdict.stage else ""
    inert = "inert: " if attempt.verdict.inert and "inert" not in attempt.verdict.reason else ""
    return one_line(f"rejected{stage}: {inert}{attempt.verdict.reason or 'no reason recorded'}")


def _gain(attempt: Attempt) -> str:
    verdict = attempt.verdict
    parts = []
    for split in _SHOWN_SPLITS:
        change = verdict.splits.get(split)
        if change is not None and change.after is not None:
            before, after = percents(change.before, change.after)
            parts.append(f"{split} {before} → {after}")
    broken = len(verdict.broken) + verdict.broken_hidden
    return ", ".join([*parts, f"{len(verdict.fixed)} fixed", f"{broken} broken"])


def candidate_line(attempt: Attempt) -> str:
    """The whole line, `c3 triage · label definitions · app/prompts/triage.md — accepted: …`."""
    return "".join(part if isinstance(part, str) else part[0] for part in candidate_parts(attempt))


def candidate_parts(attempt: Attempt) -> list[Part]:
    """The line in pieces with their styles."""
    verdict, _, rest = outcome(attempt).partition(":")
    style = "bold green" if attempt.verdict.accepted else "yellow"
    return [
        (attempt.candidate.id or "c?", "bold"),
        f" {what(attempt.candidate)} — ",
        (verdict, style),
        f":{rest}",
    ]
