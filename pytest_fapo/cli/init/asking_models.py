"""Which calls in the code ask a language model."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

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


class Asking:
    """Tells calls that send a request to a model from others, as far as their spelling tells.

    Args:
        module: where the calls stand.
        modules: the application's modules by name.
    """

    def __init__(self, module: SourceModule, modules: Mapping[str, SourceModule]) -> None:
        self._module = module
        self._modules = modules

    def __call__(self, call: ast.Call) -> bool:
        name = dotted(call.func)
        if _SDK_METHODS.search(name):
            return True
        head, _, rest = name.partition(".")
        meant = self._module.imports.get(head, head)
        full = f"{meant}.{rest}" if rest else meant
        libraries = self._libraries(meant)
        for library, pattern in _BY_LIBRARY.items():
            if any(each.startswith(library) for each in libraries) and (
                pattern.search(name) or (full.startswith(library) and pattern.search(full))
            ):
                return True
        return self._module.spells_an_endpoint and bool(_POSTS.search(name))

    def _libraries(self, meant: str) -> frozenset[str]:
        """What the module imports, and what the application's module imports that the object comes from."""
        home = self._modules.get(meant.rpartition(".")[0])
        return self._module.libraries | (home.libraries if home is not None else frozenset())


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
