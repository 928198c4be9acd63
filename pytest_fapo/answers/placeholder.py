"""Placeholder answers until a key is set: `fapo init` configures them, so that new tests run at once.

No model. It fills in whatever form the request asks for, and knows nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pytest_fapo.answers.offline import OfflineRequest

TEXT = "placeholder"

_KEY = re.compile(r"""["'](\w{1,40})["']\s*:""")

_DEEPEST = 8


def reply(request: OfflineRequest) -> Any:
    """Return a text; JSON where a schema or the prompt asks for JSON; a tool call where one is forced; a
    vector for embeddings.
    """
    body = request.body
    if "embed" in request.api:
        return [0.5, 0.5, 0.5, 0.5]
    tool = _forced_tool(body)
    if tool is not None:
        return {"tool_calls": [{"name": tool[0], "arguments": _example_value(tool[1])}]}
    schema = _answer_schema(body)
    if schema is not None:
        return json.dumps(_example_value(schema))
    if re.search(r"\bjson\b", request.text, re.I):
        return json.dumps(dict.fromkeys(_KEY.findall(request.text), TEXT))
    return TEXT


def _answer_schema(body: dict[str, Any]) -> Any:
    """Return the JSON schema that the answer must fit, as OpenAI's two APIs spell it; None where there is
    none.
    """
    chat = body.get("response_format")
    if isinstance(chat, dict) and isinstance(chat.get("json_schema"), dict):
        return chat["json_schema"].get("schema")
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    return form.get("schema") if isinstance(form, dict) else None


def _forced_tool(body: dict[str, Any]) -> tuple[str, Any] | None:
    """Name and schema of the tool that the model must call; None where it may answer in words."""
    choice = body.get("tool_choice")
    tools = [tool for tool in body.get("tools") or [] if isinstance(tool, dict)]
    if not tools or choice in (None, "auto", "none"):
        return None
    kind = choice.get("type") if isinstance(choice, dict) else choice
    if kind in ("auto", "none"):
        return None
    wanted = _tool_name(choice) if isinstance(choice, dict) else ""
    chosen = next((tool for tool in tools if _tool_name(tool) == wanted), tools[0])
    inner = chosen.get("function", chosen)
    return _tool_name(chosen), inner.get("parameters", inner.get("input_schema", {}))


def _tool_name(tool: dict[str, Any]) -> str:
    inner = tool.get("function")
    return str((inner if isinstance(inner, dict) else tool).get("name", ""))


def _example_value(schema: Any, definitions: Any = None, depth: int = 0) -> Any:
    """Return the plainest value that fits a JSON schema."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return None
    definitions = definitions or schema.get("$defs", {})
    if "$ref" in schema:
        return _example_value(definitions.get(str(schema["$ref"]).rpartition("/")[2]), definitions, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _example_value(schema[key][0], definitions, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        inner = schema.get("properties", {})
        return {name: _example_value(each, definitions, depth + 1) for name, each in inner.items()}
    if kind == "array":
        return [_example_value(schema.get("items"), definitions, depth + 1)] if schema.get("minItems") else []
    return {
        "integer": schema.get("minimum", 0),
        "number": schema.get("minimum", 0.0),
        "boolean": False,
        "null": None,
    }.get(str(kind), TEXT)
