"""Find, read, edit, diff and write back the pieces of a project that may be tuned."""

from pytest_fapo.artifacts.diff import unified_diff
from pytest_fapo.artifacts.store import ArtifactStore

__all__ = ["ArtifactStore", "unified_diff"]
