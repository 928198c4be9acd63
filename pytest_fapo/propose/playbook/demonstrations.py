"""Candidates that show train cases as examples: in a prompt's text, or as turns before the case.

Small models gain from examples where wording changes nothing. The playbook has no model that could invent
examples, so it proposes none where they have to be invented.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_fapo.core.candidate import Attempt, Candidate, Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Category, Level
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.operators.turn_demonstrations import TURNS, TurnDemonstrations
from pytest_fapo.propose.playbook.example_choice import Example, ExampleChoice
from pytest_fapo.propose.playbook.playbook_history import AttemptHistory
from pytest_fapo.propose.playbook.prompt_document import PromptDocument
from pytest_fapo.propose.playbook.prompt_techniques import target_artifacts, view_of

EXAMPLES = "Examples"

_BY_EXAMPLE: frozenset[Category] = frozenset(
    {"label", "format", "schema", "content", "requirement", "refusal", "unknown"}
)
"""Kinds of failure that seeing right answers may help."""


def in_text(evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
    """Yield candidates that quote train cases in a prompt: as many as allowed, then half of them."""
    if evidence.demonstrations != "train":
        return
    for artifact in target_artifacts(evidence)[:1]:
        if history.inert(artifact.address):
            continue
        view = view_of(evidence, artifact)
        choice = ExampleChoice(view, turns=False)
        chosen = choice.choose(evidence.max_demonstrations)
        for number in _numbers(chosen):
            lines = [f"{each.text} → {each.answer}" for each in chosen[:number]]
            after = PromptDocument(artifact.text).with_section(EXAMPLES, lines)
            if after != artifact.text:
                edits = [Edit(address=artifact.address, before=artifact.text, after=after)]
                technique = f"demonstrations of {number}"
                yield from _showing(evidence, choice, chosen[:number], edits, technique, "prompt")


def as_turns(evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
    """Yield candidates that show train cases as turns.

    As many as allowed; the same with the wording that came nearest; others where those missed; half of them.
    """
    if evidence.demonstrations != "train" or evidence.cluster.category not in _BY_EXAMPLE:
        return
    most, choice = evidence.max_demonstrations, ExampleChoice.of_turns(evidence)
    chosen = choice.choose(most)
    last = _last_attempt(evidence)
    variants = [chosen] if last is None else [chosen, choice.choose(most, last=last)]
    for number, examples in enumerate([*variants, chosen[: (len(chosen) + 1) // 2]]):
        try:
            edits = TurnDemonstrations().edits_with(examples, evidence)
        except OperatorError:
            return
        if history.inert(edits[0].address) or edits[-1].before == edits[-1].after:
            continue
        technique = TURNS if not number else f"{TURNS} (variant {number + 1})"
        yield from _showing(evidence, choice, examples, edits, technique, "structure")
        wording = _nearest_wording(evidence) if not number else None
        if wording is not None:
            both = [*wording.edits, *edits]
            technique = f"joint: {wording.technique} with {TURNS}"
            yield from _showing(evidence, choice, examples, both, technique, "structure")


def _nearest_wording(evidence: Evidence) -> Candidate | None:
    """Return the rejected edit of the step's prompt with which its cases came nearest to passing."""
    texts = {artifact.address: artifact.text for artifact in evidence.artifacts}
    best: Attempt | None = None
    for attempt in evidence.memory:
        candidate, verdict = attempt.candidate, attempt.verdict
        fits = candidate.edits and all(texts.get(edit.address) == edit.before for edit in candidate.edits)
        ours = candidate.step == evidence.cluster.step and candidate.level == "prompt"
        if not (fits and ours) or verdict.accepted or candidate.demonstrations or verdict.broken:
            continue
        if (verdict.credit or 0.0) > ((best.verdict.credit or 0.0) if best is not None else 0.0):
            best = attempt
    return best.candidate if best is not None else None


def _last_attempt(evidence: Evidence) -> Attempt | None:
    """Return the last one with turns on this step that ran."""
    tried = [
        attempt
        for attempt in evidence.memory
        if attempt.candidate.technique.startswith(TURNS)
        and attempt.candidate.step == evidence.cluster.step
        and attempt.verdict.stage != "review"
    ]
    return tried[-1] if tried else None


def _numbers(chosen: Sequence[Example]) -> list[int]:
    return [number for number in dict.fromkeys((len(chosen), (len(chosen) + 1) // 2)) if number]


def _showing(
    evidence: Evidence,
    choice: ExampleChoice,
    chosen: Sequence[Example],
    edits: Sequence[Edit],
    technique: str,
    level: Level,
) -> Iterator[Candidate]:
    """Yield the candidate, unless all failing cases are shown: none would be left to show the gain."""
    targets = choice.targets(chosen)
    if targets:
        yield evidence.candidate(
            edits,
            proposer="playbook",
            technique=technique,
            hypothesis=f"Wording brought nothing more; {len(chosen)} worked examples show what is wanted.",
            level=level,
            targets=targets,
            demonstrations=sorted({each.id for each in chosen}),
        )
