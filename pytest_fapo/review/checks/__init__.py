"""The checks, each a function from the subject to its problems; a new check is one more entry here."""

from pytest_fapo.review.checks.concern import single_concern
from pytest_fapo.review.checks.copying import leakage
from pytest_fapo.review.checks.demonstrations import demonstrations
from pytest_fapo.review.checks.invisible import invisible
from pytest_fapo.review.checks.params import params
from pytest_fapo.review.checks.placeholders import placeholders
from pytest_fapo.review.checks.protected import protected
from pytest_fapo.review.checks.rewriting import readable, rewriting
from pytest_fapo.review.checks.scope import fresh, scope
from pytest_fapo.review.checks.size import no_op, size
from pytest_fapo.review.checks.syntax import syntax
from pytest_fapo.review.subject import Check

ENTRY_CHECKS: tuple[Check, ...] = (protected, scope, fresh)
"""Whether the edits can be related to the project at all."""

FIRST_CHECKS: tuple[Check, ...] = (no_op, single_concern, size, params, readable)
"""Whether there is something to look at, of a size that can be looked at."""

CHECKS: tuple[Check, ...] = (invisible, placeholders, syntax, rewriting, demonstrations, leakage)

__all__ = ["CHECKS", "ENTRY_CHECKS", "FIRST_CHECKS"]
