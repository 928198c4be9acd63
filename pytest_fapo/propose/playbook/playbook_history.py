"""The earlier attempts on a step: what the next proposals learn from them, and what can be saved of one."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence

from pytest_fapo.core.candidate import Artifact, Attempt, Candidate, Edit, Review, ReviewProblem
from pytest_fapo.core.evidence import Evidence, EvidenceCase, Repair
from pytest_fapo.diagnosis.loose_values import mentions, normal, whole_text
from pytest_fapo.diagnosis.trace_view import TraceView
from pytest_fapo.propose.playbook.prompt_document import PromptDocument
from pytest_fapo.propose.playbook.prompt_evidence import Advice
from pytest_fapo.verdict.reasons import lost_to_a_winner

_NODE = re.compile(r"[^\s,]+\.py::[^\s,]+")

PATIENCE = 2
"""After so many rejections of a technique on earlier trees it gets one try on each further tree."""


class AttemptHistory:
    """The attempts of the run, read for one cluster's proposals."""

    def __init__(self, evidence: Evidence) -> None:
        self._all = [attempt for attempt in evidence.memory if attempt.candidate.edits]
        self._here = [attempt for attempt in self._all if attempt.candidate.parent == evidence.parent]

    def digests(self) -> set[str]:
        """Digests of everything that was tried."""
        return {attempt.candidate.digest for attempt in self._all}

    def inert(self, address: str) -> bool:
        """True if an edit of this artifact was found to reach no test."""
        return any(
            attempt.verdict.inert and {edit.address for edit in attempt.candidate.edits} == {address}
            for attempt in self._here
        )

    def adapted(self, advice: Sequence[Advice], artifact: Artifact) -> list[Advice]:
        """Advice in view of what was rejected, and why.

        Left out are rules that broke something before, rules as long as those that were too much for a test
        of the prompt itself, and techniques that failed again and again: all but their first variant where
        they were useless, all of them where they were harmful.
        """
        limit = self._too_long(artifact)
        given: set[str] = set()
        kept: list[Advice] = []
        for each in advice:
            tried = each.technique in given or self._tried_here(each.technique, artifact)
            repeated = tried and self._failed(each.technique, artifact) >= PATIENCE
            too_long = limit is not None and _length(each, artifact) >= limit
            harmful = self._failed(each.technique, artifact, harmful=True) >= PATIENCE
            if repeated or harmful or too_long or self._broke(each, artifact):
                continue
            given.add(each.technique)
            kept.append(each)
        return kept

    def _tried_here(self, technique: str, artifact: Artifact) -> bool:
        return any(_is_of(attempt.candidate, technique, artifact.address) for attempt in self._here)

    def _failed(self, technique: str, artifact: Artifact, *, harmful: bool = False) -> int:
        """Rejections of a technique on earlier trees since it was last accepted for this artifact.

        Those alone that broke a case, if asked: the other steps' edits will not make them harmless.
        """
        count = 0
        for attempt in self._all:
            if not _is_of(attempt.candidate, technique, artifact.address):
                continue
            harm = _broke_something(attempt) and not _unit_tests(attempt)
            counts = attempt not in self._here and (harm or not harmful)
            count = 0 if attempt.verdict.accepted else count + counts
        return count

    def _broke(self, advice: Advice, artifact: Artifact) -> bool:
        """True if exactly these rules in this artifact broke a test before."""
        section = PromptDocument(artifact.text).with_section(advice.title, advice.lines)
        rules = [line for line in section.splitlines() if any(rule in line for rule in advice.lines)]
        return any(
            _broke_something(attempt)
            and any(
                edit.address == artifact.address and all(rule in edit.after for rule in rules)
                for edit in attempt.candidate.edits
            )
            for attempt in self._all
            if not attempt.verdict.accepted
        )

    def _too_long(self, artifact: Artifact) -> int | None:
        """Length of the shortest text of this artifact that failed a test without a case."""
        lengths = [
            len(edit.after)
            for attempt in self._all
            for edit in attempt.candidate.edits
            if edit.address == artifact.address and _unit_tests(attempt)
        ]
        return min(lengths, default=None)


def _broke_something(attempt: Attempt) -> bool:
    """True if it was rejected because tests that passed before failed; which ones is not always told."""
    verdict = attempt.verdict
    if verdict.accepted or verdict.inert or lost_to_a_winner(verdict.reason):
        return False
    return bool(verdict.broken or verdict.broken_hidden) or verdict.stage in ("val", "suite")


def _unit_tests(attempt: Attempt) -> list[str]:
    """Return the broken tests without parameters, so without a case: those of the prompts themselves, say."""
    named = [*attempt.verdict.broken, *_NODE.findall(attempt.verdict.reason)]
    return [nodeid for nodeid in named if "[" not in nodeid]


def _length(advice: Advice, artifact: Artifact) -> int:
    return len(PromptDocument(artifact.text).with_section(advice.title, advice.lines))


def _is_of(candidate: Candidate, technique: str, address: str) -> bool:
    return candidate.technique.startswith(technique) and any(
        edit.address == address for edit in candidate.edits
    )


_QUOTED = re.compile(r"'([^']{3,})'|\"([^\"]{3,})\"|`([^`]{3,})`|“([^”]{3,})”")


def without_blocked_rules(candidate: Candidate, review: Review) -> Candidate | None:
    """Drop the added lines that a problem names or quotes; None where there are none, or no others."""
    problems = [problem for problem in review.problems if problem.blocks]
    edits = [_without_lines(edit, problems) for edit in candidate.edits]
    if any(edit is None for edit in edits):
        return None
    return candidate.model_copy(update={"edits": [edit for edit in edits if edit is not None], "id": ""})


def _without_lines(edit: Edit, problems: list[ReviewProblem]) -> Edit | None:
    quoted = [
        next(group for group in match.groups() if group)
        for problem in problems
        if problem.address in ("", edit.address)
        for match in _QUOTED.finditer(problem.message)
    ]
    named = {
        number - 1 for problem in problems if problem.address == edit.address for number in problem.lines
    }
    if not quoted and not named:
        return None
    lines = edit.after.splitlines(keepends=True)
    added = added_lines(edit)
    bad = {
        number
        for number in added
        if number in named or any(normal(text) in normal(lines[number]) for text in quoted)
    }
    rules = {number for number in added if re.match(r"\s*[-*•] ", lines[number])}
    if not bad or not rules - bad:
        return None
    after = "".join(line for number, line in enumerate(lines) if number not in bad)
    return None if after == edit.before else edit.model_copy(update={"after": after})


def added_lines(edit: Edit) -> set[int]:
    """Numbers of the lines of the new text that the old one did not have."""
    matcher = difflib.SequenceMatcher(a=edit.before.splitlines(), b=edit.after.splitlines(), autojunk=False)
    return {
        number
        for tag, _, _, start, end in matcher.get_opcodes()
        if tag in ("insert", "replace")
        for number in range(start, end)
    }


def without_harm(repair: Repair, evidence: Evidence) -> Candidate | None:
    """Return a more careful version of a candidate; None where it cannot be told what broke the cases."""
    candidate = repair.candidate
    if candidate.level == "param":
        edits = [_halfway(edit, evidence) for edit in candidate.edits]
    elif candidate.level == "prompt" and repair.broken:
        edits = [_without_harmful_rules(edit, repair.broken, candidate.step) for edit in candidate.edits]
    else:
        return None
    kept = [edit for edit in edits if edit is not None]
    if len(kept) != len(candidate.edits) or kept == candidate.edits:
        return None
    return candidate.model_copy(
        update={
            "id": "",
            "edits": kept,
            "repairs": candidate.id,
            "technique": f"{candidate.technique}, repaired",
            "hypothesis": f"{candidate.hypothesis} What broke other cases is left out.",
        }
    )


def _halfway(edit: Edit, evidence: Evidence) -> Edit | None:
    """Return a number between the old value and the new one."""
    try:
        before, after = json.loads(edit.before), json.loads(edit.after)
    except ValueError:
        return None
    numbers = (int, float)
    if not isinstance(before, numbers) or not isinstance(after, numbers) or isinstance(after, bool):
        return None
    value: float = round((before + after) / 2, 6)
    if isinstance(before, int) and isinstance(after, int):
        value = (before + after) // 2
    domain = next((each.domain for each in evidence.artifacts if each.address == edit.address), None)
    if value in (before, after) or (domain is not None and not domain.allows(value)):
        return None
    return edit.model_copy(update={"after": json.dumps(value)})


def _without_harmful_rules(edit: Edit, broken: list[EvidenceCase], step: str) -> Edit | None:
    """Return the new text without the added rules, or the parts of rules, that the broken cases followed."""
    lines = edit.after.splitlines(keepends=True)
    added = sorted(number for number in added_lines(edit) if re.match(r"\s*[-*•] ", lines[number]))
    changed = False
    for case in broken:
        said, given = _answer(case, step), whole_text(case.case.inputs)
        for number in _guilty([(number, lines[number]) for number in added if lines[number]], said, given):
            lines[number] = _narrowed(lines[number], given)
            changed = True
    if not changed or not any(lines[number] for number in added):
        return None
    return edit.model_copy(update={"after": "".join(lines)})


def _answer(case: EvidenceCase, step: str) -> str:
    """Return the step's answer under the candidate."""
    view = TraceView(case.trace).by_key(step) if case.trace is not None else None
    return (view.answer or whole_text(view.output)) if view is not None else ""


def _guilty(rules: list[tuple[int, str]], said: str, given: str) -> list[int]:
    """Return the rules that speak for the wrong answer in words of the case; else the only one in its
    words.
    """
    spoken = [(number, rule) for number, rule in rules if _terms_in(rule, given)]
    led = [number for number, rule in spoken if _subject(rule) and normal(_subject(rule)) in normal(said)]
    return led or ([spoken[0][0]] if len(spoken) == 1 else [])


def _subject(rule: str) -> str:
    """Return the label that a rule is about: the words before its colon."""
    return re.sub(r"^\s*[-*•] ", "", rule).partition(":")[0] if ":" in rule else ""


def _terms(rule: str) -> list[str]:
    listed = rule.partition(":")[2] or rule
    return [term.strip() for term in re.split(r",| or |\"|;", listed) if 2 < len(term.strip()) <= 40]


def _terms_in(rule: str, given: str) -> list[str]:
    return [term for term in _terms(rule) if mentions(given, term.rstrip(".\n"))]


def _narrowed(rule: str, given: str) -> str:
    """Return the rule without the terms that the case has; nothing where that leaves none."""
    bad = {term.rstrip(".\n") for term in _terms_in(rule, given)}
    left = [term for term in _terms(rule) if term.rstrip(".\n") not in bad]
    if not left or not bad:
        return ""
    for term in sorted(bad):
        rule = re.sub(rf",\s*{re.escape(term)}\b|\b{re.escape(term)}\s*(,\s*|\bor\s+)", "", rule)
    return "" if _terms_in(rule, given) else rule
