"""Rewritten code: what it may import and reach, what its callers rely on, and whether it knows the cases."""

from pytest_fapo.review.code.around import Around
from pytest_fapo.review.code.conditionals import Singling
from pytest_fapo.review.code.engine import CodeChange, code_problems, told
from pytest_fapo.review.code.module import Module, read_module
from pytest_fapo.review.code.source import NotAFunction, Source, parse_source

__all__ = [
    "Around",
    "CodeChange",
    "Module",
    "NotAFunction",
    "Singling",
    "Source",
    "code_problems",
    "parse_source",
    "read_module",
    "told",
]
