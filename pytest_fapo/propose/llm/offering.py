"""The artifacts as an optimizer reads them: texts whole, values with domain, functions in their file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_fapo.llm.fencing import fence_for, fenced, line, value
from pytest_fapo.models import Artifact, Evidence

_VALUE_CHARS = 400


def render_artifacts(evidence: Evidence, limit: int) -> str:
    """What may be edited: that of the failing step in full, the rest as far as `limit` characters go.

    Args:
        evidence: its artifacts are those of its level and of the levels below.
        limit: characters of texts and sources, each.
    """
    texts = [artifact for artifact in evidence.artifacts if artifact.kind in ("file", "constant")]
    params = [artifact for artifact in evidence.artifacts if artifact.kind == "param"]
    functions = [artifact for artifact in evidence.artifacts if artifact.kind == "function"]
    sources = evidence.sources if functions else {}
    mark = fence_for([*(artifact.text for artifact in evidence.artifacts), *sources.values()])
    parts = _texts(texts, evidence, limit, mark)
    if params:
        parts.append(_params(params, evidence))
    if functions:
        parts += _functions(functions, evidence, limit, mark)
    if evidence.creatable:
        patterns = ", ".join(line(pattern) for pattern in evidence.creatable)
        parts.append(f"New prompt files may be created, with an address that fits one of: {patterns}")
    return "\n\n".join(parts) or "(none)"


def linked(evidence: Evidence) -> list[str]:
    """Addresses that the failing steps were seen to use, most specific first."""
    clusters = [evidence.cluster, *evidence.together]
    return list(dict.fromkeys(address for cluster in clusters for address in cluster.artifacts))


def _ranked(artifacts: Iterable[Artifact], evidence: Evidence) -> list[tuple[Artifact, bool]]:
    """Artifacts, those of the failing steps first, with whether they are theirs."""
    place = {address: number for number, address in enumerate(linked(evidence))}
    ranked = sorted(artifacts, key=lambda one: (place.get(one.address, len(place)), one.address))
    return [(artifact, artifact.address in place) for artifact in ranked]


def _texts(artifacts: Sequence[Artifact], evidence: Evidence, limit: int, mark: str) -> list[str]:
    parts, rest = [], []
    for artifact, used in _ranked(artifacts, evidence):
        if used or len(artifact.text) <= limit:
            limit -= len(artifact.text)
            parts.append(fenced(mark, line(artifact.address), artifact.text))
        else:
            rest.append(line(artifact.address))
    if rest:
        parts.append("Not shown for lack of space, do not edit: " + ", ".join(rest))
    return parts


def _params(artifacts: Sequence[Artifact], evidence: Evidence) -> str:
    lines = ["Parameters (address = value):"]
    for artifact, used in _ranked(artifacts, evidence):
        domain = f"; allowed: {line(str(artifact.domain))}" if artifact.domain is not None else ""
        use = "; used by the failing step" if used else ""
        lines.append(f"- {line(artifact.address)} = {line(artifact.text, _VALUE_CHARS)}{domain}{use}")
    return "\n".join(lines)


def _functions(artifacts: Sequence[Artifact], evidence: Evidence, limit: int, mark: str) -> list[str]:
    """Each file once, where it fits; else its functions as far as they do."""
    ranked = _ranked(artifacts, evidence)
    parts, rest = [], []
    for path in dict.fromkeys(artifact.path for artifact, _ in ranked):
        mine = [(artifact, used) for artifact, used in ranked if artifact.path == path]
        source = evidence.sources.get(path, "")
        if source and len(source) <= limit:
            limit -= len(source)
            addresses = ", ".join(line(artifact.address) for artifact, _ in mine)
            parts.append(f"{fenced(mark, path, source)}\nFunctions there that may be edited: {addresses}")
            continue
        for artifact, used in mine:
            if used or len(artifact.text) <= limit:
                limit -= len(artifact.text)
                parts.append(fenced(mark, line(artifact.address), artifact.text))
            else:
                rest.append(line(artifact.address))
    if rest:
        parts.append("Functions not shown for lack of space, do not edit: " + ", ".join(rest))
    own = {artifact.path for artifact, _ in ranked}
    for path, source in evidence.sources.items():
        if path not in own and len(source) <= limit:
            limit -= len(source)
            parts.append(f"For reading only:\n{fenced(mark, path, source)}")
    return parts


def render_together(evidence: Evidence) -> str:
    """The other steps that fail in the same cases, and what each should have given."""
    parts = []
    for cluster in evidence.together:
        lines = [f"Also at fault in the same cases: step {line(cluster.step)} ({cluster.category})"]
        if cluster.suggested_fix:
            lines.append(f"What the diagnosis suggests there: {line(cluster.suggested_fix)}")
        shown = [
            f"- it gave {value(found.actual, _VALUE_CHARS)}, right is {value(found.expected, _VALUE_CHARS)}"
            for found in cluster.findings
            if found.expected is not None
        ]
        parts.append("\n".join([*lines, *list(dict.fromkeys(shown))[:6]]))
    return "\n".join(parts)
