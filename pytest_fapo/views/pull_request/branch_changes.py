"""Find a branch's changes of prompts, parameters and functions, against the commit it will be merged into."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_fapo.core.candidate import Artifact, Attempt, Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.patch import edits_between
from pytest_fapo.views.pull_request.page_record import ArtifactChange

_SECONDS = 20


@dataclass(frozen=True)
class BaseCommit:
    """A commit to compare with, and how a person calls it."""

    name: str
    commit: str


class GitRepository:
    """Reads the git repository that holds a folder; never writes, never fetches.

    Args:
        folder: pytest's rootdir; paths are relative to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def base(self, environment: Mapping[str, str]) -> BaseCommit | None:
        """Return the base as the CI's variables name it; elsewhere the last commit. None where it is not
        here.

        Args:
            environment: of this process.
        """
        given = environment.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
        branch = environment.get("GITHUB_BASE_REF") or environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
        if not branch and not given:
            commit = self._commit("HEAD")
            return BaseCommit("the last commit", commit) if commit else None
        commit = self._commit(given) if given else ""
        commit = commit or (self._forked_from(branch) if branch else "")
        return BaseCommit(branch or commit[:10], commit) if commit else None

    def state(self) -> tuple[str, bytes]:
        """Return the commit that is checked out (empty: none), and how tracked files differ from it."""
        commit = self._commit("HEAD")
        return commit, (self._git("diff", "--binary", "HEAD", "--", ".") or b"") if commit else b""

    def changed_paths(self, commit: str) -> list[str]:
        """Files that differ from `commit`, new and deleted ones among them; relative to the folder."""
        changed = self._paths("diff", "--name-only", "--relative", "--no-renames", commit, "--", ".")
        return sorted({*changed, *self._paths("ls-files", "--others", "--exclude-standard", "--", ".")})

    def content(self, commit: str, path: str) -> bytes | None:
        """Return a file as it is in `commit`; None where it is not there."""
        return self._git("show", "--no-textconv", f"{commit}:./{path}")

    def subjects(self, commit: str, path: str) -> list[str]:
        """First lines of the messages of the commits since `commit` that changed a file, newest first."""
        lines = self._git("log", "--no-merges", "--format=%s", f"{commit}..HEAD", "--", path) or b""
        return [line for line in lines.decode("utf-8", "replace").split("\n") if line.strip()]

    def _forked_from(self, branch: str) -> str:
        """Return the commit at which the branch under test left `branch`. A shallow clone of GitHub's merge
        commit has the tip of `branch` as that commit's first parent, if two commits were fetched.
        """
        for name in (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}"):
            tip = self._commit(name)
            if tip:
                return self._line("merge-base", tip, "HEAD") or tip
        return self._commit("HEAD^1") if self._commit("HEAD^2") else ""

    def _commit(self, name: str) -> str:
        return self._line("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")

    def _paths(self, *arguments: str) -> list[str]:
        command, *rest = arguments
        found = self._git(command, "-z", *rest) or b""
        return [os.fsdecode(path) for path in found.split(b"\0") if path]

    def _line(self, *arguments: str) -> str:
        return (self._git(*arguments) or b"").decode("utf-8", "replace").strip()

    def _git(self, *arguments: str) -> bytes | None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self._folder,
                env=environment,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None


def first_changed_line(store: ArtifactStore, edit: Edit, path: str, *, unknown: int) -> int:
    """Return the line, from 1, at which an edit first changes its file; `unknown` where it cannot be carried
    out.
    """
    try:
        changed = store.render([edit])[path].split(b"\n")
        lines = store.read(path).split(b"\n")
    except (ArtifactError, KeyError, OSError):
        return unknown
    for number, (line, other) in enumerate(zip(lines, changed, strict=False), 1):
        if line != other:
            return number
    return max(1, min(len(lines), len(changed)))


_COMMITS = 5


def changes_since(base: BaseCommit, repository: GitRepository, store: ArtifactStore) -> list[ArtifactChange]:
    """Return the artifacts that the tree on disk has changed since `base`, with the commits' explanations.

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
    """Return those of the scope; none where an entry of it stands for nothing, which others say."""
    try:
        return store.all()
    except ArtifactError:
        return []


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _change(store: ArtifactStore, edit: Edit, why: list[str], origin: str) -> ArtifactChange:
    path = edit.address.partition("::")[0]
    back = Edit(address=edit.address, before=edit.after, after=edit.before)
    line = first_changed_line(store, back, path, unknown=1) if edit.after else 1
    return ArtifactChange(
        address=edit.address,
        path=path,
        line=line,
        before=edit.before,
        after=edit.after,
        why=why,
        origin=origin,
    )
