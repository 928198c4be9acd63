"""Find, read, edit, diff and write back the pieces of a project that may be tuned."""

from pytest_fapo.artifacts.between import edits_between
from pytest_fapo.artifacts.diff import unified_diff
from pytest_fapo.artifacts.front_matter import front_matter
from pytest_fapo.artifacts.merge import merge
from pytest_fapo.artifacts.store import ArtifactStore
from pytest_fapo.artifacts.writeback import WriteResult, recover, write_back

__all__ = [
    "ArtifactStore",
    "WriteResult",
    "edits_between",
    "front_matter",
    "merge",
    "recover",
    "unified_diff",
    "write_back",
]
