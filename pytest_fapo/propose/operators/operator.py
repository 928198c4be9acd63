"""What all operators are: a record of a few choices that turns evidence into edits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import Field

from pytest_fapo.models import Edit, Evidence, Record
from pytest_fapo.propose.operators.draft import Draft
from pytest_fapo.propose.operators.errors import OperatorError
from pytest_fapo.propose.operators.target import find_target


class Operator(Record, ABC):
    """A known way to build a better step, applied to one function.

    The function keeps its name, signature, decorators and docstring.
    """

    operator: str
    """The operator's name."""
    function: str = Field(
        default="", description="Address of the function that is changed; empty for the failing step's own."
    )

    purpose: ClassVar[str] = ""
    """When it helps, in one sentence."""
    paper: ClassVar[str] = ""
    """Where it comes from."""

    def edits(self, evidence: Evidence) -> list[Edit]:
        """The function with this operator, and the prompt files that it takes.

        Raises:
            OperatorError: it does not fit this function; one sentence says why.
        """
        target = find_target(evidence, self.function)
        if self.mark() in target.source.text:
            raise OperatorError(f"{target.name} has {self.operator} already")
        return self.build(Draft(target, evidence))

    def mark(self) -> str:
        """Words of the generated code's comment that stand in no other operator's."""
        return f"# {self.operator}:"

    @abstractmethod
    def build(self, draft: Draft) -> list[Edit]:
        """Write the code."""
