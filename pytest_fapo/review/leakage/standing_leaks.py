"""Cases that stand in the prompts of a project as they are, whoever wrote them there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.case import Case
from pytest_fapo.review.leakage.added_text import AddedText
from pytest_fapo.review.leakage.case_corpus import LeakHit, corpus_of
from pytest_fapo.review.leakage.leak_detectors import DETECTORS


def standing_leaks(
    artifacts: Sequence[Artifact], cases: Sequence[Case]
) -> Iterator[tuple[Artifact, LeakHit]]:
    """Yield the prompts that hold a case's id, input or answer, once for each case.

    Names of labels that many cases share are no answer of one of them.

    Args:
        artifacts: texts of the project.
        cases: of all splits.
    """
    corpus = corpus_of(cases)
    labels = [" ".join(label) for label in corpus.labels]
    for artifact in artifacts:
        added = AddedText(artifact.text, labels)
        told: set[int] = set()
        for hit in (hit for detector in DETECTORS for hit in detector.find(added, corpus)):
            if id(hit.case) not in told:
                told.add(id(hit.case))
                yield artifact, hit
