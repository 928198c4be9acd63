"""What the branch under test is compared with: the commit of the branch that it is to be merged into."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 20


@dataclass(frozen=True)
class Base:
    """A commit to compare with, and how a person calls it."""

    name: str
    commit: str


class Repository:
    """Reads the git repository that holds a folder; never writes, never fetches.

    Args:
        folder: pytest's rootdir; paths are relative to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def base(self, environment: Mapping[str, str]) -> Base | None:
        """The base as the CI's variables name it; elsewhere the last commit. None where it is not here.

        Args:
            environment: of this process.
        """
        given = environment.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
        branch = environment.get("GITHUB_BASE_REF") or environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
        if not branch and not given:
            commit = self._commit("HEAD")
            return Base("the last commit", commit) if commit else None
        commit = self._commit(given) if given else ""
        commit = commit or (self._forked_from(branch) if branch else "")
        return Base(branch or commit[:10], commit) if commit else None

    def changed_paths(self, commit: str) -> list[str]:
        """Files that differ from `commit`, new and deleted ones among them; relative to the folder."""
        changed = self._paths("diff", "--name-only", "--relative", "--no-renames", commit, "--", ".")
        return sorted({*changed, *self._paths("ls-files", "--others", "--exclude-standard", "--", ".")})

    def content(self, commit: str, path: str) -> bytes | None:
        """A file as it is in `commit`; None where it is not there."""
        return self._git("show", "--no-textconv", f"{commit}:./{path}")

    def subjects(self, commit: str, path: str) -> list[str]:
        """First lines of the messages of the commits since `commit` that changed a file, newest first."""
        lines = self._git("log", "--no-merges", "--format=%s", f"{commit}..HEAD", "--", path) or b""
        return [line for line in lines.decode("utf-8", "replace").split("\n") if line.strip()]

    def _forked_from(self, branch: str) -> str:
        """Where the branch under test left `branch`. A shallow clone of GitHub's merge commit has the tip of
        `branch` as that commit's first parent, if two commits were fetched."""
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
