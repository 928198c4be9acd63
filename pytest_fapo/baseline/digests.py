"""Which texts were evaluated: a digest for every artifact of the scope."""

from __future__ import annotations

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.models import text_digest


def artifact_digests(store: ArtifactStore) -> dict[str, str]:
    """Address to digest of every editable artifact as it is now, sorted.

    Raises:
        ArtifactError: an entry of the scope stands for nothing.
    """
    return {
        artifact.address: text_digest(artifact.text)
        for artifact in sorted(store.all(), key=lambda artifact: artifact.address)
    }
