"""The pattern library: known ways to build a better step, as typed operators on functions.

The playbook chooses among them by rules; a language model names them in its answer.
"""

from __future__ import annotations

from pytest_fapo.propose.operators.errors import OperatorError
from pytest_fapo.propose.operators.operator import Operator
from pytest_fapo.propose.operators.post_process import PostProcess
from pytest_fapo.propose.operators.questioning import LeastToMost, PlanThenSolve, VerifyAndRevise
from pytest_fapo.propose.operators.repeating import FallbackChain, RetryOnInvalid, SelfConsistency
from pytest_fapo.propose.operators.retrieving import QueryRewriting, SecondHop
from pytest_fapo.propose.operators.schema import OPERATORS, apply, operator_schema, read_operator
from pytest_fapo.propose.operators.tool_loop import ToolLoop

__all__ = [
    "OPERATORS",
    "FallbackChain",
    "LeastToMost",
    "Operator",
    "OperatorError",
    "PlanThenSolve",
    "PostProcess",
    "QueryRewriting",
    "RetryOnInvalid",
    "SecondHop",
    "SelfConsistency",
    "ToolLoop",
    "VerifyAndRevise",
    "apply",
    "operator_schema",
    "read_operator",
]
