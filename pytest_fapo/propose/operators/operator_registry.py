"""The operators by name: their JSON schema for a model, reading one from its answer, and applying it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.propose.operators.operator import Operator
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.operators.step_operators import RetryOnInvalid, SecondHop, VerifyAndRevise

_ALL: tuple[type[Operator], ...] = (RetryOnInvalid, VerifyAndRevise, SecondHop)

OPERATORS: dict[str, type[Operator]] = {kind.model_fields["operator"].default: kind for kind in _ALL}
"""Name to operator."""

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "default", "title")


def operator_schema() -> dict[str, Any]:
    """JSON schema of one operator: a union over all of them, closed by `anyOf`.

    It keeps to what providers enforce: no references, no defaults, every field required, and bounds and
    purposes in words.
    """
    return {"anyOf": [_schema(kind) for kind in _ALL]}


def read_operator(value: Mapping[str, Any]) -> Operator:
    """The operator that a mapping describes, such as a model gave it.

    Raises:
        OperatorError: there is no such operator, or an argument does not fit; the message names it.
    """
    name = value.get("operator")
    kind = OPERATORS.get(str(name))
    if kind is None:
        raise OperatorError(f"there is no operator {name!r}; there are {', '.join(OPERATORS)}")
    try:
        return kind.model_validate(dict(value))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise OperatorError(f"{name}: {field}: {first['msg']}") from None


def apply_operator(operator: Operator | Mapping[str, Any], evidence: Evidence) -> list[Edit]:
    """The edits of an operator: the rewritten function first, then the prompt files that it takes.

    Args:
        operator: an operator, or its fields.
        evidence: gives the function, the failing step, the sources and the patterns of new prompt files.

    Raises:
        OperatorError: it does not fit; one sentence says why.
    """
    made = operator if isinstance(operator, Operator) else read_operator(operator)
    return made.edits(evidence)


def _schema(kind: type[Operator]) -> dict[str, Any]:
    made = kind.model_json_schema()
    properties: dict[str, Any] = {}
    for name, given in made["properties"].items():
        entry = {key: value for key, value in given.items() if key not in _BOUNDS}
        if "minimum" in given and "maximum" in given:
            description = entry.get("description", "")
            entry["description"] = f"{description} From {given['minimum']} to {given['maximum']}.".strip()
        properties[name] = entry
    return {
        "type": "object",
        "description": f"{kind.purpose} ({kind.paper})",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
