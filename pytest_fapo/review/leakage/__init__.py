"""Labelled data that leaks into a prompt: what gives a case away, and what may be said all the same."""

from pytest_fapo.review.leakage.added import Added
from pytest_fapo.review.leakage.corpus import Corpus
from pytest_fapo.review.leakage.detectors import leaks

__all__ = ["Added", "Corpus", "leaks"]
