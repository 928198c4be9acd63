"""Attribution: which step of a failing case went wrong, how, and what would mend it."""

from __future__ import annotations

from pytest_fapo.diagnose.attribution import AttributeHook, Attribution, Opinion
from pytest_fapo.diagnose.consulting import Reader
from pytest_fapo.diagnose.engine import artifacts_of, diagnose
from pytest_fapo.diagnose.investigate import Intervene
from pytest_fapo.diagnose.links import artifacts_of_step
from pytest_fapo.diagnose.reader import LLMReader, make_reader

__all__ = [
    "AttributeHook",
    "Attribution",
    "Intervene",
    "LLMReader",
    "Opinion",
    "Reader",
    "artifacts_of",
    "artifacts_of_step",
    "diagnose",
    "make_reader",
]
