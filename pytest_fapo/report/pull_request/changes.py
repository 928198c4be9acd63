"""Changed prompts, parameters and functions: the diff, why, and what it did to the cases."""

from __future__ import annotations

import difflib

from pytest_fapo.report.markdown import code, details, fenced, prose
from pytest_fapo.report.pull_request.record import ArtifactChange, PullRequest
from pytest_fapo.report.pull_request.size import Size
from pytest_fapo.report.pull_request.tables import effect_table

_CONTEXT = 3


def change_parts(data: PullRequest, size: Size) -> list[str]:
    """A part for each change, then the effect on the cases of all of them together."""
    if not data.changes:
        return []
    against = f" against {prose(data.base)}" if data.base else ""
    parts = [f"### What changed{against}"]
    parts += [_change(change, size) for change in data.changes]
    return parts


def effect_parts(data: PullRequest, size: Size) -> list[str]:
    """Which cases have another verdict or output than before."""
    parts = [
        effect_table("Broken", data.broken, size, folded=False),
        effect_table("Fixed", data.fixed, size, folded=True),
        effect_table("Another output, same result", data.changed, size, folded=True),
    ]
    shown = [part for part in parts if part]
    compared = f", compared with {prose(data.compared)}" if data.compared else ""
    return [f"### Effect per case{compared}", *shown] if shown else []


def _change(change: ArtifactChange, size: Size) -> str:
    """The address and why in the open; the diff folded."""
    added, removed, diff = _diff(change)
    lines = [f"**{code(change.address, most=200)}** (+{added} −{removed})"]
    if change.why:
        told = "; ".join(prose(why, most=600) for why in change.why[:5])
        origin = f" ({prose(change.origin)})" if change.origin else ""
        lines.append(f"Why: {told}{origin}")
    lines.append(details("Diff", fenced(diff, "diff", lines=size.lines)))
    return "\n\n".join([*lines, *_effect(change, size)])


def _effect(change: ArtifactChange, size: Size) -> list[str]:
    """What a run has measured of this one change."""
    kinds = {
        "broken": change.broken,
        "fixed": change.fixed,
        "another output with the same result": change.changed,
    }
    counted = ", ".join(f"{name}: {len(found):,}" for name, found in kinds.items() if found)
    if not counted:
        return []
    beside = f" (measured with {', '.join(map(code, change.together))})" if change.together else ""
    tables = [
        effect_table(name.capitalize(), found, size, folded=name != "broken") for name, found in kinds.items()
    ]
    return [f"Effect: {counted}{beside}", *(table for table in tables if table)]


def _diff(change: ArtifactChange) -> tuple[int, int, str]:
    """How many lines were added and removed, and the unified diff without its file names."""
    before, after = _lines(change.before), _lines(change.after)
    lines = list(difflib.unified_diff(before, after, lineterm="", n=_CONTEXT))[2:]
    added = sum(line.startswith("+") for line in lines)
    removed = sum(line.startswith("-") for line in lines)
    return added, removed, "\n".join(lines)


def _lines(text: str) -> list[str]:
    """The text's lines; one that lacks its line break at the end is not the same as one that has it."""
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else [*lines[:-1], f"{lines[-1]} (no line break at the end)"]
