"""Requests to a language model in source code, and the functions of a project that send them.

The SDKs' calls and bare HTTP requests are known; a function counts if it sends a text of its caller's.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Literal

from pytest_fapo.core.evidence import Evidence
from pytest_fapo.propose.operators.project_functions import FunctionNode, ProjectFunction, ProjectSources

Api = Literal["chat", "responses", "messages", "completions"]

_ENDINGS: dict[tuple[str, ...], Api] = {
    ("chat", "completions", "create"): "chat",
    ("chat", "completions", "parse"): "chat",
    ("responses", "create"): "responses",
    ("messages", "create"): "messages",
    ("completions", "create"): "completions",
    ("litellm", "completion"): "chat",
    ("litellm", "acompletion"): "chat",
}

_PATHS: dict[str, Api] = {
    "/chat/completions": "chat",
    "/responses": "responses",
    "/messages": "messages",
    "/completions": "completions",
}

_TEXT_KEY: dict[Api, str] = {
    "chat": "messages",
    "messages": "messages",
    "responses": "input",
    "completions": "prompt",
}

_DROPPED = frozenset(
    [
        *("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "reasoning"),
        *("response_format", "text_format", "text", "stream", "stream_options", "stop", "n"),
        *("system", "instructions"),
    ]
)

_SDK_TEXT: dict[Api, str] = {
    "chat": "{}.choices[0].message.content or ''",
    "responses": "{}.output_text",
    "messages": "''.join(block.text for block in {}.content if block.type == 'text')",
    "completions": "{}.choices[0].text",
}

_HTTP_TEXT: dict[Api, str] = {
    "chat": "{}.json()['choices'][0]['message']['content'] or ''",
    "responses": "{}.json()['output'][0]['content'][0]['text']",
    "messages": "{}.json()['content'][0]['text']",
    "completions": "{}.json()['choices'][0]['text']",
}


@dataclass(frozen=True)
class ModelRequest:
    """A request to a model in source."""

    call: ast.Call
    api: Api
    http: bool
    """True if it is a bare HTTP request rather than an SDK's call."""

    @property
    def texts(self) -> ast.expr | None:
        """The expression that gives the messages or the text."""
        return _entries(self.call, self.http).get(_TEXT_KEY[self.api])

    def request_source(self, text: str) -> str:
        """Return the source of the same request with one user message, that which the expression `text`
        gives.
        """
        messages = f"[{{'role': 'user', 'content': {text}}}]"
        given = messages if _TEXT_KEY[self.api] == "messages" else text
        if self.http:
            return self._http(given)
        arguments = [ast.unparse(each) for each in self.call.args]
        for keyword in self.call.keywords:
            if keyword.arg == _TEXT_KEY[self.api]:
                arguments.append(f"{keyword.arg}={given}")
            elif keyword.arg is None or keyword.arg not in _DROPPED:
                arguments.append(ast.unparse(keyword))
        return f"{ast.unparse(self.call.func)}({', '.join(arguments)})"

    def answer(self, variable: str) -> str:
        """Return the source of the answer's text, the request's result being in a variable."""
        return (_HTTP_TEXT if self.http else _SDK_TEXT)[self.api].format(variable)

    def _http(self, given: str) -> str:
        arguments = [ast.unparse(each) for each in self.call.args]
        for keyword in self.call.keywords:
            if keyword.arg == "json" and isinstance(keyword.value, ast.Dict):
                entries = [
                    f"{ast.unparse(key)}: {given if key.value == _TEXT_KEY[self.api] else ast.unparse(value)}"
                    for key, value in zip(keyword.value.keys, keyword.value.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value not in _DROPPED
                ]
                arguments.append(f"json={{{', '.join(entries)}}}")
            else:
                arguments.append(ast.unparse(keyword))
        return f"{ast.unparse(self.call.func)}({', '.join(arguments)})"


def read_request(node: ast.AST) -> ModelRequest | None:
    """Return the request that a node is, if it is one that can be made again with another text."""
    if not isinstance(node, ast.Call):
        return None
    chain = _chain(node.func)
    for ending, api in _ENDINGS.items():
        if tuple(chain[-len(ending) :]) == ending:
            request = ModelRequest(node, api, http=False)
            return request if request.texts is not None else None
    if chain[-1:] in (["acompletion"], ["completion"]) and "messages" in _entries(node, http=False):
        return ModelRequest(node, "chat", http=False)
    if chain[-1:] == ["post"] and node.args and isinstance(node.args[0], (ast.Constant, ast.JoinedStr)):
        return _posted(node)
    return None


def _posted(node: ast.Call) -> ModelRequest | None:
    last = node.args[0].values[-1] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
    url = str(last.value) if isinstance(last, ast.Constant) else ""
    for path, api in _PATHS.items():
        if f"/{url}".endswith(path):
            request = ModelRequest(node, api, http=True)
            return request if request.texts is not None else None
    return None


def _chain(node: ast.AST) -> list[str]:
    """The names of `a.b(…)[0].c`, calls and subscripts passed over."""
    names: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
            node = node.value
        elif isinstance(node, ast.Name):
            return [node.id, *names]
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, (ast.Subscript, ast.Await)):
            node = node.value
        else:
            return names


def _entries(call: ast.Call, http: bool) -> dict[str, ast.expr]:
    """Return a request's named arguments: keywords, or the entries of its JSON body."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    if not http:
        return keywords
    body = keywords.get("json")
    if not isinstance(body, ast.Dict):
        return {}
    pairs = zip(body.keys, body.values, strict=True)
    return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}


MODEL_FUNCTION_NAME = re.compile(
    r"(^|_)(ask|complete|completion|chat|llm|generate|gpt|claude|invoke|call_model|query_model|respond|infer)($|_)"
)
"""Names under which functions ask a model, for those whose source is not shown."""

_TEXT_NAMES = ("user", "prompt", "text", "question", "message", "content", "query", "input", "user_prompt")

_NOT_TEXT = frozenset(
    {"model", "system", "system_prompt", "name", "role", "temperature", "max_tokens", "template"}
)

_MOST_CALLS_DEEP = 4


@dataclass(frozen=True)
class ModelFunction:
    """A function that asks, as a caller sees it."""

    parameter: str
    """The parameter that takes the text."""
    by_name: bool
    messages: bool
    """True if it takes a list of messages instead of a text."""
    awaited: bool
    required: tuple[str, ...]
    """Further parameters that must be given, those before the text's first."""


class ModelFunctions:
    """Reads functions of the project, each once."""

    def __init__(self, sources: ProjectSources) -> None:
        self._sources = sources
        self._memo: dict[tuple[str, str], ModelFunction | None] = {}

    def taken(self, function: ProjectFunction, depth: int = 0) -> ModelFunction | None:
        """Return how to call a function that asks a model with its caller's text; None for all others."""
        key = (function.module.path, function.name)
        if key not in self._memo:
            self._memo[key] = None
            self._memo[key] = self._read_function(function, depth)
        return self._memo[key]

    def _read_function(self, function: ProjectFunction, depth: int) -> ModelFunction | None:
        node = function.node
        if node.returns is not None and "str" not in ast.unparse(node.returns):
            return None
        if node.returns is not None and re.search(r"(dict|list|tuple|Iterator)\[", ast.unparse(node.returns)):
            return None
        if self._sent(function, depth) is None:
            return None
        return _parameters(function, self._sent(function, depth) or set())

    def _sent(self, function: ProjectFunction, depth: int) -> set[str] | None:
        """Return names that reach the request; None where the function sends none."""
        for node in ast.walk(function.node):
            request = read_request(node)
            if request is not None and request.texts is not None:
                return _names_behind(request.texts, function.node)
        if depth >= _MOST_CALLS_DEEP:
            return None
        for node in ast.walk(function.node):
            if isinstance(node, ast.Call):
                inner = self._sources.resolve(node.func, function.module, function.name.rpartition(".")[0])
                if inner is not None and self.taken(inner, depth + 1) is not None and node.args:
                    return _names_behind(node.args[0], function.node)
        return None


def traced_model_functions(evidence: Evidence) -> dict[str, ModelFunction]:
    """Return the steps that gave back the very answer to a text that they were given, by name."""
    functions: dict[str, ModelFunction] = {}
    for case in evidence.cases:
        for step in case.trace.steps if case.trace is not None else []:
            assert case.trace is not None
            calls = case.trace.calls_of(step)
            if len(calls) != 1 or not isinstance(step.output, str) or not isinstance(step.inputs, dict):
                continue
            answer, sent = (calls[0].answer or "").strip(), str(calls[0].messages)
            names = [
                name
                for name, value in step.inputs.items()
                if isinstance(value, str) and len(value) >= 12 and repr(value)[1:-1] in sent
            ]
            if (
                answer
                and step.output.strip() == answer
                and len(names) == 1
                and MODEL_FUNCTION_NAME.search(step.name)
            ):
                functions.setdefault(step.name, ModelFunction(names[0], True, False, False, ()))
    return functions


def _parameters(function: ProjectFunction, sent: set[str]) -> ModelFunction | None:
    arguments = function.node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if "." in function.name and not any(
        isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.node.decorator_list
    ):
        positional = positional[1:]
    names = [each.arg for each in positional]
    required = names[: len(names) - len(arguments.defaults)] if arguments.defaults else names
    by_name = [each.arg for each in arguments.kwonlyargs]
    needed = [
        each.arg
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    texts = [name for name in [*names, *by_name] if name in sent and name not in _NOT_TEXT]
    ranked = sorted(texts, key=lambda name: _TEXT_NAMES.index(name) if name in _TEXT_NAMES else 99)
    if not ranked:
        return None
    text = ranked[0]
    before = tuple(name for name in required if name != text)
    if text in names and any(name in names[names.index(text) :] for name in before):
        return None
    if set(needed) - {text}:
        return None
    awaited = isinstance(function.node, ast.AsyncFunctionDef)
    annotation = {each.arg: each.annotation for each in [*positional, *arguments.kwonlyargs]}[text]
    listed = annotation is not None and ast.unparse(annotation).lower().startswith(("list", "sequence"))
    index = names.index(text) if text in names else -1
    return ModelFunction(text, index != len(before), listed or text == "messages", awaited, before)


def _names_behind(expression: ast.expr, function: FunctionNode) -> set[str]:
    """The names in an expression, and those in what is assigned or appended to them."""
    names = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    for _ in range(3):
        for node in ast.walk(function):
            targets: list[ast.expr] = []
            values: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets, values = node.targets, [node.value]
            elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
                targets, values = [node.target], [node.value]
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("append", "extend", "insert")
            ):
                targets, values = [node.func.value], list(node.args)
            if any(isinstance(each, ast.Name) and each.id in names for each in targets):
                names |= {
                    each.id for value in values for each in ast.walk(value) if isinstance(each, ast.Name)
                }
    return names
