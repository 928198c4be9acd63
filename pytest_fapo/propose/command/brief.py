"""What a coding agent is told: its task, and the train cases with their traces and the diagnosis."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_fapo.llm.fencing import line
from pytest_fapo.llm.prompt_files import Marks, load_prompts
from pytest_fapo.models import Evidence, EvidenceCase
from pytest_fapo.propose.llm import rendering

FOLDER = "fapo-evidence"
REASON = f"{FOLDER}/hypothesis.txt"
PROMPT = f"Read {FOLDER}/TASK.md and do what it says."
_MEMORY_CHARS = 12_000
_WAYS = {
    "prompt": "Edit the prompts named below, nothing else.",
    "param": "Edit the parameters and prompts named below, nothing else.",
    "structure": "Edit the functions, parameters and prompts named below; their files may get new functions.",
}
_MARKS = frozenset({"way", "reason", "folder", "cluster", "artifacts", "memory"})


def write_brief(
    folder: Path,
    evidence: Evidence,
    *,
    withheld: Sequence[str],
    more: str,
    redact: Callable[[str], str],
) -> None:
    """Write the evidence folder.

    Args:
        folder: the copy of the project.
        evidence: train cases only.
        withheld: files that are not in the copy.
        more: a further section of the task, for a revision or a repair.
        redact: takes out what must not leave the machine.
    """
    place = folder / FOLDER
    (place / "traces").mkdir(parents=True)
    (place / ".gitignore").write_text("*\n", encoding="utf-8")
    templates = load_prompts(Path(__file__).parent / "prompts", {"task": Marks(_MARKS)})
    task = templates.fill(
        "task",
        way=_WAYS[evidence.level],
        reason=REASON,
        folder=FOLDER,
        cluster=rendering.render_cluster(evidence),
        artifacts=_editable(evidence),
        memory=rendering.render_memory(evidence.memory, _MEMORY_CHARS),
    )
    if withheld:
        task += "\n\n# Not in this copy\n\n" + "".join(f"- {line(path)}\n" for path in withheld)
    texts = {"TASK.md": f"{task}\n\n{more}" if more else task}
    texts["diagnosis.json"] = json.dumps(_diagnosis(evidence), indent=1, ensure_ascii=False)
    items = [item for item in evidence.cases if item.case.split == "train"]
    texts["cases.jsonl"] = "".join(
        json.dumps(_case(item, number), ensure_ascii=False) + "\n" for number, item in enumerate(items)
    )
    for number, item in enumerate(items):
        if item.trace is not None:
            texts[f"traces/{number}.json"] = item.trace.model_dump_json(indent=1, exclude_defaults=True)
    for name, text in texts.items():
        (place / name).write_text(redact(text), encoding="utf-8")


def _editable(evidence: Evidence) -> str:
    linked = {address for each in [evidence.cluster, *evidence.together] for address in each.artifacts}
    lines = []
    for artifact in evidence.artifacts:
        domain = f"(allowed: {artifact.domain})" if artifact.domain is not None else ""
        use = ", used by the failing step" if artifact.address in linked else ""
        lines.append(f"- `{line(artifact.address)}`: {f'{artifact.kind} {line(domain)}'.strip()}{use}")
    if evidence.creatable:
        lines.append(f"- new prompt files: {', '.join(f'`{line(each)}`' for each in evidence.creatable)}")
    if evidence.escalation:
        lines.append(f"\nWhy more than prompts: {line(evidence.escalation)}")
    return "\n".join(lines) or "(nothing)"


def _diagnosis(evidence: Evidence) -> object:
    train = {item.nodeid for item in evidence.cases if item.case.split == "train"}
    clusters = [evidence.cluster, *evidence.together]
    return [
        cluster.model_copy(
            update={"findings": [found for found in cluster.findings if found.nodeid in train]}
        ).model_dump(mode="json", exclude_defaults=True)
        for cluster in clusters
    ]


def _case(item: EvidenceCase, number: int) -> dict[str, object]:
    trace = f"traces/{number}.json" if item.trace is not None else None
    return {
        "test": item.nodeid,
        "passed": item.passed,
        "inputs": item.case.inputs,
        "expected": item.case.expected,
        "expected_steps": item.case.expected_steps,
        "explanation": item.explanation,
        "feedback": item.feedback,
        "trace": trace,
    }
