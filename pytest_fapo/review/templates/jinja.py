"""Jinja and its relatives: `{{ expression | filter }}`, `{% tag %}`, `{# comment #}`."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterator

from pytest_fapo.review.templates.wording import changed

_TAG = re.compile(r"\{%(.*?)%\}", re.S)
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.S)
_TRIM = "-+ \t\r\n"
"""Around an expression: blanks, and the signs that trim blanks outside of it."""
_COMMENT = re.compile(r"\{#.*?#\}", re.S)
_VARIABLE = re.compile(r"\{\{[-+]?\s*[#/^>&]?\s*[A-Za-z_][^{}\"]*\}\}")
_FIELD = re.compile(r"(?<!\{)\{[A-Za-z_]\w*\}(?!\})")
_BLOCKS = frozenset(["for", "if", "block", "macro", "call", "filter", "with", "raw", "autoescape", "trans"])


def is_jinja(path: str, text: str) -> bool:
    """Whether `text` is a Jinja template (or a mustache), by its file name or by what it holds."""
    if re.search(r"\.(j2|jinja2?|mustache|hbs)(\.|$)", path) or "{%" in text:
        return True
    return bool(_VARIABLE.search(text)) and not _FIELD.search(text)


def jinja_problems(before: str, after: str) -> Iterator[str]:
    """Expressions or tags dropped or invented, and constructs left open."""
    yield from changed(_expressions(before), _expressions(after))
    old, new = Counter(_tags(before)), Counter(_tags(after))
    if lost := list(old - new):
        yield f"The new text drops {{% {lost[0]} %}}; keep every tag exactly as it was."
    if added := list(new - old):
        yield f"The new text adds {{% {added[0]} %}}; keep the template's logic as it was, change words only."
    if not _left_open(before) and (reason := _left_open(after)):
        yield f"The template would not render: {reason}."


def _expressions(text: str) -> set[str]:
    found = _EXPRESSION.findall(_COMMENT.sub("", text))
    return {"{{ " + " ".join(expression.strip(_TRIM).split()) + " }}" for expression in found}


def _tags(text: str) -> list[str]:
    return [" ".join(tag.strip(_TRIM).split()) for tag in _TAG.findall(_COMMENT.sub("", text))]


def _left_open(text: str) -> str:
    """Why the template cannot be rendered; empty where nothing speaks against it."""
    rest = _EXPRESSION.sub("", _TAG.sub("", _COMMENT.sub("", text)))
    for mark in ("{%", "%}", "{{", "{#"):
        if mark in rest:
            return f"{mark} has no counterpart"
    stack: list[str] = []
    for tag in _tags(text):
        word = tag.split()[0] if tag.split() else ""
        if word in _BLOCKS:
            stack.append(word)
        elif word.startswith("end") and word[3:] in _BLOCKS and (not stack or stack.pop() != word[3:]):
            return f"{{% {word} %}} closes nothing"
    return f"{{% {stack[-1]} %}} is not closed" if stack else _by_jinja(text)


def _by_jinja(text: str) -> str:
    """What the real Jinja says, where the user's environment has it."""
    try:
        jinja2 = importlib.import_module("jinja2")
    except ImportError:
        return ""
    try:
        jinja2.Environment().parse(text)
    except (jinja2.TemplateSyntaxError, RecursionError) as error:
        # A mustache or a template with extensions is not for plain Jinja: `before` fails here as well.
        return str(error)
    return ""
