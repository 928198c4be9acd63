"""Which calls in the code ask a language model."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pytest_fapo.cli.init.sources import SourceModule

_SDK_METHODS = re.compile(
    r"(?:^|\.)(?:chat\.completions|completions|responses|messages|embeddings)"
    r"\.(?:with_raw_response\.|with_streaming_response\.)?(?:create|parse|stream|acreate)$"
)
_BY_LIBRARY = {
    "litellm": re.compile(
        r"(?:^|\.)(?:completion|acompletion|text_completion|responses|aresponses|embedding)$"
    ),
    "langchain": re.compile(r"\.(?:invoke|ainvoke|batch|abatch|stream|astream|predict|run)$"),
    "langgraph": re.compile(r"\.(?:invoke|ainvoke|stream|astream)$"),
    "pydantic_ai": re.compile(r"\.(?:run|run_sync|run_stream|iter)$"),
    "agents": re.compile(r"^Runner\.(?:run|run_sync|run_streamed)$"),
    "llama_index": re.compile(r"\.(?:complete|acomplete|chat|achat|query|aquery|predict)$"),
    "dspy": re.compile(r"^(?:self\.\w+|predict|program|dspy\.\w+\(.*\))$"),
    "openai": re.compile(r"^openai\.ChatCompletion\.a?create$"),
}
_ENDPOINT = re.compile(r"/(?:chat/completions|completions|responses|embeddings|messages)/?$")
_POSTS = re.compile(r"(?:^|\.)(?:post|request|stream|urlopen|send)$")
UNSEEN = {
    "requests": "requests",
    "aiohttp": "aiohttp",
    "boto3": "boto3",
    "urllib3": "urllib3",
    "google.generativeai": "google.generativeai",
    "vertexai": "vertexai",
}
"""Libraries whose calls do not pass through httpx, so that they are neither recorded nor cached."""


def asks_a_model(call: ast.Call, module: SourceModule, *, endpoints: bool) -> bool:
    """Whether a call sends a request to a model, as far as its spelling tells.

    Args:
        call: the call.
        module: where it stands.
        endpoints: whether the module spells out the path of a model's endpoint.
    """
    name = dotted(call.func)
    if _SDK_METHODS.search(name):
        return True
    head, _, rest = name.partition(".")
    meant = module.imports.get(head, head)
    full = f"{meant}.{rest}" if rest else meant
    for library, pattern in _BY_LIBRARY.items():
        if any(each.startswith(library) for each in module.libraries) and (
            pattern.search(name) or (full.startswith(library) and pattern.search(full))
        ):
            return True
    return endpoints and bool(_POSTS.search(name))


def spells_an_endpoint(module: SourceModule) -> bool:
    """Whether a text in the module ends like the URL of a model's endpoint."""
    return any(_ENDPOINT.search(text) for text in texts_in(module.tree))


def texts_in(tree: ast.AST) -> Iterator[str]:
    """Every literal text, those inside of f-strings too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def dotted(node: ast.expr) -> str:
    """`client.chat.completions.create` of the expression; calls in between are left out."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call):
        return dotted(node.func)
    return ""
