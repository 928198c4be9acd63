"""Reading a model's structured answer: from its text to a validated record, or to one clear sentence."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pytest_fapo.errors import FapoError

Answer = TypeVar("Answer", bound=BaseModel)

_THINKING = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_STARTS_TRIED = 100  # a hostile text of braces must not cost quadratic time
_DECODER = json.JSONDecoder(strict=False)  # small models put raw line breaks into JSON strings


class MalformedAnswer(FapoError):
    """The model's answer cannot be used; the message says why in words that the model itself can act on."""


@dataclass(frozen=True)
class RawAnswer:
    """What a provider returned, before it is read."""

    text: str
    problem: str = ""
    """Why the text must not be read although it is there: cut off, refused, filtered."""


def read_answer(raw: RawAnswer, schema: type[Answer]) -> Answer:
    """The validated answer.

    Raises:
        MalformedAnswer: refused, cut off, empty, not JSON, or not what `schema` asks for.
    """
    if raw.problem:
        raise MalformedAnswer(raw.problem)
    if not raw.text.strip():
        raise MalformedAnswer("the answer was empty")
    value = find_object(raw.text)
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        raise MalformedAnswer(f"the answer does not fit the schema: {_first_problems(error)}") from None


def find_object(text: str) -> dict[str, Any]:
    """The JSON object in `text`, also where prose, a code fence or the model's thinking stands around it.

    Raises:
        MalformedAnswer: there is none.
    """
    rest = _THINKING.sub("", text)
    reason = "no '{' found"
    for match in islice(re.finditer(r"\{", rest), _STARTS_TRIED):
        try:
            value, _ = _DECODER.raw_decode(rest, match.start())
        except json.JSONDecodeError as error:
            if reason.startswith("no"):
                reason = str(error)
            continue
        except RecursionError:
            break
        if isinstance(value, dict) and value:
            return value
    raise MalformedAnswer(f"the answer holds no JSON object ({reason})")


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema in the subset that providers enforce: inlined, closed objects, every field required."""
    document = schema.model_json_schema()
    strict: dict[str, Any] = _strict(document, document.get("$defs", {}))
    return strict


def _strict(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_strict(part, definitions) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _strict(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    kept = {key: value for key, value in node.items() if key not in ("title", "default", "$defs")}
    strict = {key: _strict(value, definitions) for key, value in kept.items() if key != "properties"}
    if "properties" in kept:
        strict["properties"] = {name: _strict(part, definitions) for name, part in kept["properties"].items()}
        strict["required"] = list(strict["properties"])
        strict["additionalProperties"] = False
    return strict


def _first_problems(error: ValidationError, limit: int = 3) -> str:
    parts = []
    for problem in error.errors()[:limit]:
        where = ".".join(str(part) for part in problem["loc"]) or "answer"
        parts.append(f"{where}: {problem['msg']}")
    return "; ".join(parts)
