"""Corrections of what a prompt says: wrong tool names, exchanged definitions, examples with a wrong label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches

from pytest_fapo.core.candidate import Artifact, Candidate, Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.loose_values import normal, plain
from pytest_fapo.propose.playbook.answer_contract import fields_in_question
from pytest_fapo.propose.playbook.label_terms import terms_in
from pytest_fapo.propose.playbook.playbook_history import AttemptHistory
from pytest_fapo.propose.playbook.prompt_evidence import PromptEvidence
from pytest_fapo.propose.playbook.prompt_techniques import target_artifacts, view_of
from pytest_fapo.propose.playbook.tool_rules import offered_tools, uses_of

EXCHANGED = 0.8
"""The share of the cases of two labels that are answered with the other one, where their definitions are."""

MISLEADING = "misleading example"


def corrections(evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
    """Yield candidates that change what a prompt says, and add nothing."""
    for artifact in target_artifacts(evidence):
        if history.inert(artifact.address):
            continue
        view = view_of(evidence, artifact)
        found = [*_renamed(view), *_exchanged(view), *_relabeled(view)]
        for technique, hypothesis, text in found:
            if text != artifact.text:
                yield _candidate(evidence, artifact, technique, hypothesis, text)


_Correction = tuple[str, str, str]
"""Technique, hypothesis, new text."""


def _candidate(
    evidence: Evidence, artifact: Artifact, technique: str, hypothesis: str, text: str
) -> Candidate:
    return evidence.candidate(
        [Edit(address=artifact.address, before=artifact.text, after=text)],
        proposer="playbook",
        technique=technique,
        hypothesis=hypothesis,
    )


def _renamed(view: PromptEvidence) -> Iterator[_Correction]:
    """The tools called by their names, where a prompt names one that is not there and the model uses it."""
    if view.cluster.category != "tool":
        return
    text, names = view.artifact.text, _names(view)
    for wrong, right in names.items():
        text = re.sub(rf"(?<!\w){re.escape(wrong)}(?!\w)", right, text)
    pairs = ", ".join(f"{wrong} is {right}" for wrong, right in names.items())
    yield "tool names corrected", f"The prompt calls a tool by a name that it does not have: {pairs}.", text


def _names(view: PromptEvidence) -> dict[str, str]:
    """Wrong name to right one: the tool that passing cases use, else the one most like it."""
    offered = offered_tools(view)
    uses = [(use, seen.passed) for seen in view.seen for use in uses_of(seen)]
    wrong = {use.name for use, _ in uses if use.name not in offered and use.error is not None}
    useful = Counter(use.name for use, passed in uses if passed and use.error is None and use.name in offered)
    names = {}
    for name in sorted(wrong):
        near = get_close_matches(name, offered, n=1, cutoff=0.7)
        most = [tool for tool, _ in useful.most_common(1)]
        right = near or most or (offered if len(offered) == 1 else [])
        if right:
            names[name] = right[0]
    return names


def _confusions(view: PromptEvidence, name: str) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """((right, wrong) to cases, label to cases that have it right) of a closed set of labels."""
    labels = {normal(label): plain(label) for label in view.fields.closed_set(name) if label is not None}
    wrong: Counter[tuple[str, str]] = Counter()
    right: Counter[str] = Counter()
    for seen in view.labeled(name):
        expected = plain(view.expected(seen, name))
        answer = labels.get(normal(view.answer_of(seen, name)))
        if answer == expected:
            right[expected] += 1
        elif answer is not None:
            wrong[expected, answer] += 1
    return wrong, right


def _exchanged(view: PromptEvidence) -> Iterator[_Correction]:
    """Two labels change places before their definitions, where each is answered for the other."""
    for name in fields_in_question(view):
        wrong, right = _confusions(view, name)
        for one, other in wrong:
            both = wrong[one, other] + wrong[other, one]
            total = both + right[one] + right[other]
            if one < other and min(wrong[one, other], wrong[other, one]) >= 2 and both >= EXCHANGED * total:
                hypothesis = f"{one} and {other} are taken for each other: their definitions are exchanged."
                yield "definitions exchanged", hypothesis, _with_heads(view.artifact.text, one, other)


def _with_heads(text: str, one: str, other: str) -> str:
    """Return the text with two labels exchanged where they begin a line; as it is unless each begins one."""
    bullet, after = r"\s*(?:[-*•]|\d+[.)])?\s*[\"'`*]*", r"[\"'`*]*\s*(?::|=|[-–—] |means\b|is\b)"
    pattern = re.compile(rf"(?mi)^({bullet})({re.escape(one)}|{re.escape(other)})(?={after})")
    heads = [match.group(2).casefold() for match in pattern.finditer(text)]
    if sorted(heads) != sorted([one.casefold(), other.casefold()]):
        return text
    turned = {one.casefold(): other, other.casefold(): one}
    return pattern.sub(lambda match: match.group(1) + turned[match.group(2).casefold()], text)


def _relabeled(view: PromptEvidence) -> Iterator[_Correction]:
    """Yield the example of the prompt that is most like cases that get its label and not theirs: with their
    label, or without it.
    """
    text = view.artifact.text
    for name in fields_in_question(view):
        wrong, _ = _confusions(view, name)
        for (right, given), number in wrong.most_common(1):
            misled, rightly = [], []
            for seen in view.labeled(name):
                expected, terms = plain(view.expected(seen, name)), set(terms_in(view.text(seen)))
                if expected == right and not seen.passed:
                    misled.append(terms)
                elif expected == given and seen.passed:
                    rightly.append(terms)
            example = _misleading(text, given, misled, rightly) if number >= 2 else None
            if example is not None:
                start, end = example.span(2)
                why = f"The example {example.group(1)[:60]!r} teaches {given} where {right} is right."
                yield MISLEADING, why, text[:start] + right + text[end:]
                yield f"{MISLEADING} (variant 2)", why, text[: example.start()] + text[example.end() :]


def _misleading(
    text: str, label: str, misled: list[set[str]], rightly: list[set[str]]
) -> re.Match[str] | None:
    """Return the line `text -> label` that shares words with the most misled cases, and fewer of the
    others.
    """
    sign = r"\s*(?:->|=>|→|\||:|=)\s*[\"'`]?"
    pattern = rf"(?mi)^(.{{8,}}?){sign}({re.escape(label)})[\"'`]?[.]?[ \t]*(?:\n|\Z)"
    best, most = None, 1
    for example in re.finditer(pattern, text):
        own = set(terms_in(example.group(1)))
        like, unlike = (sum(bool(own & terms) for terms in cases) for cases in (misled, rightly))
        if like > most and like * max(len(rightly), 1) > unlike * len(misled):
            best, most = example, like
    return best
