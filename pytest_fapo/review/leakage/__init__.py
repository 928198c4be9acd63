"""Labelled data that leaks into a prompt: what gives a case away, and what may be said all the same."""

from pytest_fapo.review.leakage.added import Added
from pytest_fapo.review.leakage.corpus import Corpus, corpus_of
from pytest_fapo.review.leakage.decoded import decoded
from pytest_fapo.review.leakage.detectors import Leak, leaks
from pytest_fapo.review.leakage.hits import Hit, quote, sentences
from pytest_fapo.review.leakage.sequences import answer_lists

__all__ = [
    "Added",
    "Corpus",
    "Hit",
    "Leak",
    "answer_lists",
    "corpus_of",
    "decoded",
    "leaks",
    "quote",
    "sentences",
]
