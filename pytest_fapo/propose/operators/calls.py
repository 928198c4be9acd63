"""Requests to a language model as they stand in source: the SDKs' calls, and bare HTTP requests."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal

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
class Request:
    """A request to a model in source."""

    call: ast.Call
    api: Api
    http: bool
    """Whether it is a bare HTTP request rather than an SDK's call."""

    @property
    def texts(self) -> ast.expr | None:
        """The expression that gives the messages or the text."""
        return _entries(self.call, self.http).get(_TEXT_KEY[self.api])

    def asking(self, text: str) -> str:
        """Source of the same request with one user message, that which the expression `text` gives."""
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
        """Source of the answer's text, the request's result being in a variable."""
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


def read_request(node: ast.AST) -> Request | None:
    """The request that a node is, if it is one that can be made again with another text."""
    if not isinstance(node, ast.Call):
        return None
    chain = _chain(node.func)
    for ending, api in _ENDINGS.items():
        if tuple(chain[-len(ending) :]) == ending:
            request = Request(node, api, http=False)
            return request if request.texts is not None else None
    if chain[-1:] in (["acompletion"], ["completion"]) and "messages" in _entries(node, http=False):
        return Request(node, "chat", http=False)
    if chain[-1:] == ["post"] and node.args and isinstance(node.args[0], (ast.Constant, ast.JoinedStr)):
        return _posted(node)
    return None


def _posted(node: ast.Call) -> Request | None:
    last = node.args[0].values[-1] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
    url = str(last.value) if isinstance(last, ast.Constant) else ""
    for path, api in _PATHS.items():
        if f"/{url}".endswith(path):
            request = Request(node, api, http=True)
            return request if request.texts is not None else None
    return None


def answer_of(node: ast.AST) -> bool:
    """Whether an expression takes the text out of a model's answer: `….message.content`, `….output_text` …"""
    if isinstance(node, ast.Attribute):
        chain = _chain(node)
        return node.attr == "output_text" or chain[-2:] == ["message", "content"] or _block_text(node)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        keys = _keys(node)
        return keys[-2:] == ["message", "content"] or keys[-3:] in (
            ["content", 0, "text"],
            ["choices", 0, "text"],
        )
    return False


def _block_text(node: ast.Attribute) -> bool:
    """`message.content[0].text`"""
    inner = node.value
    return (
        node.attr == "text"
        and isinstance(inner, ast.Subscript)
        and isinstance(inner.value, ast.Attribute)
        and inner.value.attr == "content"
    )


def _keys(node: ast.expr) -> list[object]:
    found: list[object] = []
    while isinstance(node, ast.Subscript):
        found.insert(0, node.slice.value if isinstance(node.slice, ast.Constant) else None)
        node = node.value
    return found


def _chain(node: ast.AST) -> list[str]:
    """The names of `a.b(…)[0].c`, calls and subscripts passed over."""
    found: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            found.insert(0, node.attr)
            node = node.value
        elif isinstance(node, ast.Name):
            return [node.id, *found]
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, (ast.Subscript, ast.Await)):
            node = node.value
        else:
            return found


def _entries(call: ast.Call, http: bool) -> dict[str, ast.expr]:
    """What a request gives by name: keywords, or the entries of its JSON body."""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    if not http:
        return keywords
    body = keywords.get("json")
    if not isinstance(body, ast.Dict):
        return {}
    pairs = zip(body.keys, body.values, strict=True)
    return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}
