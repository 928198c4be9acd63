"""Read a prompt's demands on a reply, clause by clause."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from desk_offline import cues
from desk_offline.reading import Instructions


@dataclass
class Demands:
    """A prompt's demands on a reply."""

    limit: int | None = None
    brief: bool = False
    quote_order: bool = False
    ask_for_order: bool = False
    no_promise: bool = False
    include: list[str] = field(default_factory=list)
    forbid: list[str] = field(default_factory=list)


@lru_cache(maxsize=64)
def demands_of(instructions: Instructions, *, has_order: bool) -> Demands:
    """Read the rules for a reply to a customer who gave an order number, or gave none."""
    found = Demands()
    for line in instructions.lines:
        about_order = False
        for clause in (part for sentence in line.sentences for part in _clauses(sentence)):
            limits = [int(match[1]) for pattern in cues.LIMITS for match in pattern.finditer(clause)]
            found.limit = min([*limits, *([found.limit] if found.limit else [])], default=None)
            found.brief = found.brief or bool(cues.BRIEF.search(clause))
            about_order = bool(cues.ORDER.search(clause)) or (
                about_order and bool(cues.PRONOUN.search(clause))
            )
            _read_rule(clause, about_order, has_order, found)
    return found


def _clauses(sentence: str) -> list[str]:
    parts = [sentence] if cues.CONDITION.match(sentence) else cues.NEXT_ORDER.split(sentence)
    return [part for part in parts if part.strip()]


def _read_rule(clause: str, about_order: bool, has_order: bool, found: Demands) -> None:
    missing = cues.MISSING.search(clause) or cues.OTHERWISE.match(clause)
    if_missing = bool(about_order and missing and (cues.CONDITION.search(clause) or cues.ASK.search(clause)))
    quoted = _quoted(clause)
    if if_missing:
        found.ask_for_order = found.ask_for_order or bool(cues.ASK.search(clause))
        if not has_order and cues.QUOTE.search(clause):
            found.include += quoted
    elif cues.NEGATION.search(cues.DOUBLE_NEGATION.sub("", clause)):
        found.forbid += quoted or _listed_after_colon(clause)
        found.no_promise = found.no_promise or bool(cues.PROMISE.search(clause))
    elif about_order and (cues.QUOTE.search(clause) or cues.DOUBLE_NEGATION.search(clause)):
        found.quote_order = True
    elif quoted and cues.INCLUDE.search(clause):
        found.include += quoted


def _quoted(clause: str) -> list[str]:
    return [next(part for part in found if part) for found in cues.QUOTED.findall(clause)]


def _listed_after_colon(clause: str) -> list[str]:
    _, colon, rest = clause.partition(":")
    parts = [part.strip(" .`*") for part in re.split(r",|;|\bor\b|/", rest)] if colon else []
    return [part for part in parts if part and len(part.split()) <= 5]
