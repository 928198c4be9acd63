"""Examples: a bounded number of train cases, quoted where the project allows it.

Small models gain from examples where wording changes nothing. The playbook has no model that could invent
examples, so it proposes none where they have to be invented.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pytest_fapo.core.candidate import Candidate, Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.loose_values import normal, plain
from pytest_fapo.propose.playbook.answer_contract import fields_in_question
from pytest_fapo.propose.playbook.playbook_history import AttemptHistory
from pytest_fapo.propose.playbook.prompt_document import PromptDocument
from pytest_fapo.propose.playbook.prompt_evidence import PromptEvidence, StepCase
from pytest_fapo.propose.playbook.prompt_techniques import target_artifacts, view_of

TITLE = "Examples"

LONGEST = 400
"""Characters of an input that is quoted; longer ones are left out."""

_SHARE = 0.5
"""Of the failing cases at most this part is quoted: the others have to show the gain."""


def demonstrations(evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
    """Candidates that quote train cases: as many as allowed, then half of them."""
    if evidence.demonstrations != "train":
        return
    for artifact in target_artifacts(evidence)[:1]:
        if history.inert(artifact.address):
            continue
        view = view_of(evidence, artifact)
        chosen = _chosen(view, evidence.max_demonstrations)
        for number in dict.fromkeys((len(chosen), (len(chosen) + 1) // 2)):
            if number:
                candidate = _candidate(view, chosen[:number])
                if candidate is not None:
                    yield candidate


def _chosen(view: PromptEvidence, most: int) -> list[tuple[StepCase, str]]:
    """Cases with their right answers: of each confusion one, then of each label, then more in turn."""
    rows = [
        (seen, answer)
        for seen in view.seen
        if (answer := _answer(view, seen)) is not None and _short(view, seen)
    ]
    rows.sort(key=lambda row: (len(view.main_texts()[row[0].case.key]), row[0].case.id))
    failing = [row for row in rows if row[0].targets]
    allowed = int(_SHARE * len(view.targets))
    confusions = _turns(failing, lambda row: (row[1], normal(row[0].answer)))[:allowed]
    covered = {answer for _, answer in confusions[:most]}
    passing = [row for row in rows if row[0].passed]
    labels = _turns([row for row in passing if row[1] not in covered], lambda row: row[1])
    rest = _turns([row for row in passing if row[1] in covered], lambda row: row[1])
    half = max(1, most // 2)
    found = [*confusions[:half], *labels, *confusions[half:], *rest]
    return found[:most]


def _turns(rows: list[tuple[StepCase, str]], key: Any) -> list[tuple[StepCase, str]]:
    """One of each group, then the second of each …; large groups first."""
    groups: dict[Any, list[tuple[StepCase, str]]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    ordered = sorted(groups.values(), key=lambda group: -len(group))
    depth = max((len(group) for group in ordered), default=0)
    return [group[number] for number in range(depth) for group in ordered if number < len(group)]


def _short(view: PromptEvidence, seen: StepCase) -> bool:
    return 0 < len(view.main_texts()[seen.case.key]) <= LONGEST


def _answer(view: PromptEvidence, seen: StepCase) -> str | None:
    """The answer that the step should have given, in its own form; None where the labels do not tell."""
    labeled = seen.case.expected_steps.get(view.step)
    if labeled is not None and not (isinstance(labeled, dict) and set(labeled) <= {"contains", "any_of"}):
        return plain(labeled)
    if view.answers_json:
        fields = {name: view.expected(seen, name) for name in view.own_fields}
        if not fields or any(
            value is None and name not in view.fields.expected for name, value in fields.items()
        ):
            return None
        keys = {view.field_keys.get(name, name): value for name, value in fields.items()}
        return json.dumps(keys, ensure_ascii=False)
    names = fields_in_question(view)
    value = view.expected(seen, names[0]) if names else None
    return plain(value) if isinstance(value, (str, int, float)) and str(value).strip() else None


def _candidate(view: PromptEvidence, chosen: list[tuple[StepCase, str]]) -> Candidate | None:
    quoted = {seen.case.id for seen, _ in chosen}
    targets = [nodeid for seen in view.targets if seen.case.id not in quoted for nodeid in seen.targets]
    lines = [f"{' '.join(view.main_texts()[seen.case.key].split())} → {answer}" for seen, answer in chosen]
    after = PromptDocument(view.artifact.text).with_section(TITLE, lines)
    if not targets or after == view.artifact.text:
        return None
    return Candidate(
        parent=view.evidence.parent,
        edits=[Edit(address=view.artifact.address, before=view.artifact.text, after=after)],
        hypothesis=f"Wording brought nothing more; {len(chosen)} worked examples show what is wanted.",
        proposer="playbook",
        technique=f"demonstrations of {len(chosen)}",
        level="prompt",
        cluster=view.cluster.id,
        step=view.cluster.step,
        targets=sorted(targets),
        demonstrations=sorted(quoted),
    )
