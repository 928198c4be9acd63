"""Annotations as a Code Quality report, which GitLab shows in the merge request."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pytest_fapo.models import text_digest
from pytest_fapo.report.annotations import Annotation
from pytest_fapo.report.terminal import shown
from pytest_fapo.report.words import one_line

_SEVERITY = {"error": "major", "warning": "minor", "notice": "info"}
_DESCRIPTION_CHARS = 1_000


def code_quality_json(annotations: Iterable[Annotation], *, whole: str) -> str:
    """The report as JSON.

    Args:
        annotations: the remarks.
        whole: path that remarks about no file of their own are put to.

    A fingerprint depends on the kind of remark and on what it is about, not on its words or its line, so that
    GitLab tells new remarks from those that the target branch has already.
    """
    entries = []
    fingerprints: set[str] = set()
    for annotation in annotations:
        path = annotation.path or whole
        fingerprint = text_digest("\0".join((annotation.check, path, annotation.key)))
        while fingerprint in fingerprints:  # an entry with a known one would be dropped
            fingerprint = text_digest(fingerprint)
        fingerprints.add(fingerprint)
        words = one_line(shown(f"{annotation.title}: {annotation.message}"), most=_DESCRIPTION_CHARS)
        entries.append(
            {
                "description": words,
                "check_name": f"pytest-fapo/{annotation.check}",
                "fingerprint": fingerprint,
                "severity": _SEVERITY[annotation.level],
                "location": {"path": path, "lines": {"begin": max(1, annotation.line)}},
            }
        )
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"
