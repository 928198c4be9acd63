"""The prompts, parameters and functions that a session's tree holds differently than its base."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.artifacts import ArtifactStore, edits_between
from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import Artifact, Attempt, Edit
from pytest_fapo.publishing.branch import Base, Repository
from pytest_fapo.publishing.places import first_difference
from pytest_fapo.report.pull_request import ArtifactChange

_COMMITS = 5


def changes_since(base: Base, repository: Repository, store: ArtifactStore) -> list[ArtifactChange]:
    """What the tree on disk has changed of its artifacts since `base`, and how the commits explain it.

    Args:
        base: the commit to compare with.
        repository: reads its files.
        store: the artifacts as they are.
    """
    paths = repository.changed_paths(base.commit)
    scoped = {artifact.path for artifact in _artifacts(store)}
    concerned = [path for path in paths if path in scoped or store.in_scope(path, "prompt")]
    before = {path: repository.content(base.commit, path) for path in concerned}
    changes = []
    for edit in _edits(store, before):
        path = edit.address.partition("::")[0]
        why = repository.subjects(base.commit, path)[:_COMMITS]
        changes.append(_change(store, edit, why, "commits" if why else ""))
    return changes


def hypotheses(changes: Sequence[ArtifactChange], attempts: Sequence[Attempt]) -> list[ArtifactChange]:
    """The same changes, explained by the candidate that made them where a run of this checkout knows it."""
    known = {
        (edit.address, edit.after): attempt.candidate
        for attempt in attempts
        if attempt.verdict.accepted
        for edit in attempt.candidate.edits
    }
    explained = []
    for change in changes:
        candidate = known.get((change.address, change.after))
        if candidate is not None:
            origin = f"{candidate.id} by {candidate.proposer}"
            change = change.model_copy(update={"why": [candidate.hypothesis], "origin": origin})
        explained.append(change)
    return explained


def _edits(store: ArtifactStore, before: dict[str, bytes | None]) -> list[Edit]:
    """Edits that lead from the base's artifacts to those on disk.

    Args:
        store: the artifacts as they are.
        before: what the base holds at the changed paths; None where it holds no such file.
    """
    old = {path: data for path, data in before.items() if data is not None}
    now = {path: (store.root / path).read_bytes() for path in before if (store.root / path).is_file()}
    edits = _edited(store, {path: old[path] for path in old if path in now}, now)
    for path in before:
        if path not in now and store.in_scope(path, "prompt"):
            edits.append(Edit(address=path, before=_text(old.get(path, b"")), after=""))
    known = {edit.address for edit in edits}
    new = [path for path in now if path not in old]
    return edits + [
        Edit(address=artifact.address, before="", after=artifact.text)
        for artifact in _artifacts(store)
        if artifact.path in new and artifact.address not in known
    ]


def _edited(store: ArtifactStore, old: dict[str, bytes], now: dict[str, bytes]) -> list[Edit]:
    """Edits of the files that are on both sides; of whole files where the base's do not suit the scope."""
    try:
        return edits_between(store.with_files(old), {path: now[path] for path in old})
    except ArtifactError:
        paths = {artifact.path for artifact in _artifacts(store)}
        return [
            Edit(address=path, before=_text(old[path]), after=_text(now[path]))
            for path in old
            if path in paths
        ]


def _artifacts(store: ArtifactStore) -> list[Artifact]:
    """Those of the scope; none where an entry of it stands for nothing, which others say."""
    try:
        return store.all()
    except ArtifactError:
        return []


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _change(store: ArtifactStore, edit: Edit, why: list[str], origin: str) -> ArtifactChange:
    path = edit.address.partition("::")[0]
    back = Edit(address=edit.address, before=edit.after, after=edit.before)
    line = first_difference(store, back, path, unknown=1) if edit.after else 1
    return ArtifactChange(
        address=edit.address,
        path=path,
        line=line,
        before=edit.before,
        after=edit.after,
        why=why,
        origin=origin,
    )
