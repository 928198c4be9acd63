"""Check that placeholders are neither dropped nor invented, and that the template still renders.

Known are `str.format`, Jinja, `string.Template`, the `%` operator, and texts whose `{x}` are replaced
singly.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Set
from string import Template

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.core.text import one_line
from pytest_fapo.review.review_subject import EditedText, ReviewSubject
from pytest_fapo.source.template_syntax import FORMAT_FIELD, format_fields, is_format, percent_fields


def changed(old: Set[str], new: Set[str]) -> Iterator[str]:
    """One sentence on what is missing from `new`, one on what is there for the first time."""
    if dropped := sorted(old - new):
        yield f"The new text drops {', '.join(dropped)}; keep every placeholder exactly as it was."
    if invented := sorted(new - old):
        yield (
            f"The new text brings in {', '.join(invented)}, which nothing fills; "
            f"use the placeholders that are there, and words or <angle brackets> for anything else."
        )


_TOKEN = re.compile(r"\{\{\s*[A-Za-z_][\w.]*\s*\}\}|\{[A-Za-z_][\w.]*\}")


def format_problems(before: str, after: str) -> Iterator[str]:
    """Fields dropped, invented or no longer readable for `str.format`."""
    try:
        fields = format_fields(after)
    except ValueError as error:
        yield f"str.format could not fill the new text in ({error}); write literal braces as {{{{ and }}}}."
        return
    old = format_fields(before)
    literal = [name for name in fields if name not in old and not FORMAT_FIELD.fullmatch(name)]
    if literal:
        yield (
            f"str.format would take {_shown('{' + literal[0])} for a placeholder; "
            f"write literal braces as {{{{ and }}}}."
        )
    yield from changed(_names(old), _names([name for name in fields if name not in literal]))
    if old.count("") != fields.count("") and "" in old and "" in fields:
        yield f"{old.count('')} places {{}} are filled in one by one; keep exactly as many, in order."
    doubled = {token for token in _TOKEN.findall(before) if token.startswith("{{")}
    yield from changed(doubled, {token for token in _TOKEN.findall(after) if token in doubled})


def loose_problems(before: str, after: str) -> Iterator[str]:
    """`{x}` and `{{x}}` dropped or invented, in a text that is not for `str.format`."""
    yield from changed(set(_TOKEN.findall(before)), set(_TOKEN.findall(after)))


def _names(fields: list[str]) -> set[str]:
    return {"{" + name + "}" for name in fields}


def _shown(text: str) -> str:
    return repr(one_line(text, most=31))


_TAG = re.compile(r"\{%(.*?)%\}", re.S)

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.S)

_TRIM = "-+ \t\r\n"
"""Around an expression: blanks, and the signs that trim blanks outside of it."""

_COMMENT = re.compile(r"\{#.*?#\}", re.S)

_VARIABLE = re.compile(r"\{\{[-+]?\s*[#/^>&]?\s*[A-Za-z_][^{}\"]*\}\}")

_JINJA_FIELD = re.compile(r"(?<!\{)\{[A-Za-z_]\w*\}(?!\})")

_BLOCKS = frozenset(["for", "if", "block", "macro", "call", "filter", "with", "raw", "autoescape", "trans"])


def is_jinja(path: str, text: str) -> bool:
    """True if `text` is a Jinja template (or a mustache), by its file name or by what it holds."""
    if re.search(r"\.(j2|jinja2?|mustache|hbs)(\.|$)", path) or "{%" in text:
        return True
    return bool(_VARIABLE.search(text)) and not _JINJA_FIELD.search(text)


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
    """Return why the template cannot be rendered; empty if nothing speaks against it."""
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
    """Return the error of the real Jinja, if the user's environment has it."""
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


_DOLLAR = re.compile(r"(?<!\$)(?:\$\$)*(\$(?:\{[A-Za-z_]\w*\}|[A-Za-z_]\w*))")

_PERCENT = re.compile(r"(?<!%)(?:%%)*(%\([^()]+\)[-#0 +]*[\d.*]*[a-zA-Z])")

_IN_ORDER = re.compile(r"(?<![%\w])(?:%%)*%(?:\.\d+)?[sdrif](?!\w)")
"""`%s` and its like, which are filled in one after another."""


def dollar_problems(before: str, after: str) -> Iterator[str]:
    """`$x` dropped or invented; in a text without any, a new `$x` is taken for an amount of money."""
    old, new = set(_DOLLAR.findall(before)), set(_DOLLAR.findall(after))
    if not old:
        new = {name for name in new if name.startswith("${")}
    yield from changed(old, new)
    if old and _substitutable(before) and not _substitutable(after):
        yield "string.Template could not fill the new text in; write a literal dollar sign as $$."


def percent_problems(before: str, after: str) -> Iterator[str]:
    """`%(x)s` dropped or invented, or a percent sign that the `%` operator would stumble over."""
    old, new = set(_PERCENT.findall(before)), set(_PERCENT.findall(after))
    yield from changed(old, new)
    in_order = percent_fields(before) if _IN_ORDER.search(before) else None
    if in_order and percent_fields(after) != in_order:
        yield (
            f"The % operator fills in {', '.join(in_order)}; keep exactly these, in order, "
            "and write a literal percent sign as %%."
        )
    if old and not _bare_percent(before) and _bare_percent(after):
        yield "The % operator could not fill the new text in; write a literal percent sign as %%."


def _substitutable(text: str) -> bool:
    try:
        Template(text).substitute(defaultdict(str))
    except ValueError:
        return False
    return True


def _bare_percent(text: str) -> bool:
    """True if a percent sign is neither doubled nor the beginning of a placeholder."""
    return bool(re.search(r"%(?!\()", text.replace("%%", "")))


def with_placeholders(path: str, before: str, after: str, names: Set[str]) -> str:
    """`before` with the placeholders of `after` that `names` fill: those are no inventions.

    Args:
        path: the prompt's file.
        before: its old text; empty for a new file.
        after: its new text.
        names: what the code of the same candidate fills in.
    """
    found = [name for name in sorted(names) if name.isidentifier()]
    if is_jinja(path, before or after):
        forms = ["{{ %s }}"]
    else:
        forms = ["{%s}", "{{%s}}"] if not before and not is_format(after) else ["{%s}"]
        forms += ["$%s", "${%s}", "%%(%s)s"]
    new = [form % name for name in found for form in forms]
    joined = "".join(after.split())
    missing = [text for text in new if text not in before and "".join(text.split()) in joined]
    return "\n".join([before, *missing]) if missing else before


def template_problems(path: str, before: str, after: str) -> Iterator[str]:
    """Yield the reasons why `after` cannot be filled in like `before`; each says what would pass.

    The template language is read off `before` (and the file's name): Jinja, `str.format`, or braces that
    are replaced one by one; `$x` and `%(x)s` beside any of them.
    """
    if is_jinja(path, before):
        yield from jinja_problems(before, after)
    elif is_format(before):
        yield from format_problems(before, after)
    else:
        yield from loose_problems(before, after)
    yield from dollar_problems(before, after)
    yield from percent_problems(before, after)


_FILLING = frozenset(("format", "render", "substitute", "safe_substitute"))


def placeholders(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """The new text can be filled in by the code that fills in the old one, as the candidate leaves it."""
    filled = _filled(subject)
    for change in subject.changes:
        if change.artifact.level != "prompt":
            continue
        before = with_placeholders(change.artifact.path, change.before, change.after, filled)
        for message in template_problems(change.artifact.path, before, change.after):
            yield ReviewProblem(
                check="placeholders", message=f"{change.address}: {message}", address=change.address
            )


def _filled(subject: ReviewSubject) -> set[str]:
    """Return names that the candidate's functions fill in, by `.format(name=…)` and the like, or by
    `.replace`.
    """
    return {name for change in subject.changes for name in _field_names(change)}


def _field_names(change: EditedText) -> Iterator[str]:
    if change.artifact.kind != "function":
        return
    try:
        tree = ast.parse(change.after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _FILLING:
                yield from (keyword.arg for keyword in node.keywords if keyword.arg)
            elif node.func.attr == "replace" and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value).strip("{}$<>[] ")
