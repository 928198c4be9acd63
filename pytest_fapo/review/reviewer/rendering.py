"""What the reviewer is shown: the change and its texts, fenced, and nothing of any case."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from pytest_fapo.llm.fencing import fence_for, fenced, line, shorten
from pytest_fapo.models import Artifact, Candidate, Cluster, Edit

_MOST_PER_TEXT = 24_000


def render_cluster(cluster: Cluster | None) -> str:
    """The kind of failure, without the cases: label, step, category."""
    if cluster is None:
        return "(nothing)"
    field = f", in the field {line(cluster.field, 80)!r}" if cluster.field else ""
    step = f" in step {line(cluster.step, 80)!r}" if cluster.step else ""
    return f"Kind of failure: {cluster.category}{step}{field}, {len(cluster.case_ids)} training cases."


def render_hypothesis(candidate: Candidate) -> str:
    """The author's reason, and what the settings allow them."""
    mark = fence_for([candidate.hypothesis])
    lines = [fenced(mark, "hypothesis", candidate.hypothesis.strip() or "(none)")]
    lines.append(f"Level: {candidate.level}; technique: {line(candidate.technique, 80)}.")
    if candidate.demonstrations:
        count = len(candidate.demonstrations)
        lines.append(f"The settings allow it to quote {count} declared train cases as examples.")
    return "\n".join(lines)


def render_diff(edits: Sequence[Edit], kinds: Mapping[str, Artifact]) -> str:
    """One unified diff per edit."""
    mark = fence_for([text for edit in edits for text in (edit.before, edit.after)])
    parts = []
    for edit in edits:
        artifact = kinds.get(edit.address)
        kind: str = "new" if artifact is None else artifact.kind
        if artifact is not None and artifact.domain is not None:
            kind += f", may be {artifact.domain}"
        body = shorten(_diff(edit), _MOST_PER_TEXT)
        parts.append(fenced(mark, f"{line(edit.address)} ({kind})", body))
    return "\n\n".join(parts)


def render_texts(edits: Sequence[Edit]) -> str:
    """Each edited text before and after."""
    mark = fence_for([text for edit in edits for text in (edit.before, edit.after)])
    parts = []
    for edit in edits:
        address = line(edit.address)
        if edit.before:
            parts.append(fenced(mark, f"{address} before", shorten(edit.before, _MOST_PER_TEXT)))
        parts.append(fenced(mark, f"{address} after", shorten(edit.after, _MOST_PER_TEXT)))
    return "\n\n".join(parts)


def _diff(edit: Edit) -> str:
    before, after = edit.before.splitlines(), edit.after.splitlines()
    return "\n".join(list(difflib.unified_diff(before, after, lineterm="", n=3))[2:])
