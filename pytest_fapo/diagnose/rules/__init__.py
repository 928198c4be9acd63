"""The rules of attribution in the order in which they are asked; the first that speaks decides."""

from __future__ import annotations

from collections.abc import Callable

from pytest_fapo.diagnose.failure import Failure
from pytest_fapo.diagnose.rules.answers import refusal, truncated
from pytest_fapo.diagnose.rules.empties import cascade, empty
from pytest_fapo.diagnose.rules.exceptions import exception, unanswered
from pytest_fapo.diagnose.rules.fallback import fallback
from pytest_fapo.diagnose.rules.fields import fields
from pytest_fapo.diagnose.rules.grounding import not_given
from pytest_fapo.diagnose.rules.infrastructure import infrastructure
from pytest_fapo.diagnose.rules.labelled import labelled_steps
from pytest_fapo.diagnose.rules.requirements import requirement
from pytest_fapo.diagnose.rules.retrieval import overlap
from pytest_fapo.diagnose.rules.schema import schema
from pytest_fapo.diagnose.rules.shortfalls import cut_short, too_few
from pytest_fapo.diagnose.rules.tools import tools, unfinished
from pytest_fapo.models import Finding

Rule = Callable[[Failure], "Finding | None"]

RULES: tuple[Rule, ...] = (
    infrastructure,
    unanswered,
    refusal,
    truncated,
    labelled_steps,
    tools,
    unfinished,
    schema,
    exception,
    cascade,
    not_given,
    cut_short,
    too_few,
    fields,
    requirement,
    overlap,
    empty,
    fallback,
)

__all__ = ["RULES", "Rule"]
