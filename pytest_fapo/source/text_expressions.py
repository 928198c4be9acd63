"""Expressions that give a text: a literal, an f-string, a sum or join of several, with calls around them.

What such an expression computes is shown as `{name}`; the text between is changed by splicing its literals.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.fstrings import FieldNames
from pytest_fapo.source.literal_spelling import Surroundings, spellings
from pytest_fapo.source.python_module import PythonModule, span_of, surroundings_of
from pytest_fapo.source.string_literals import FIELD, Fields, fields_of, tokens_of
from pytest_fapo.source.template_syntax import percent_fields
from pytest_fapo.source.tidying_calls import Wrapper, apply_all, inner_value, tidying_call

_KEPT_CALLS = frozenset(("format", "format_map", "replace", "encode", "removeprefix", "removesuffix"))
"""Methods of a literal that fill it in or change a detail of it: the text to edit is the literal's own."""

_JOINED = tuple(kind for kind in (ast.JoinedStr, getattr(ast, "TemplateStr", None)) if kind)


class TextPart(NamedTuple):
    """One literal of an expression, or something between literals that is computed."""

    node: ast.expr
    start: int
    end: int
    text: str
    computed: bool = False


class TextExpression(NamedTuple):
    """An expression that gives a text."""

    parts: tuple[TextPart, ...]
    fields: Fields | None = None
    """Source of each computed part to the way it is shown; None where nothing is computed."""
    separator: str | None = None
    """The text that joins the parts; None for a sum."""
    wrappers: tuple[Wrapper, ...] = ()
    filled_by_percent: bool = False
    """True if the `%` operator fills the text in right here."""
    beside: tuple[tuple[str, ast.expr], ...] = ()
    """Operands and arguments that may hold texts of their own, each with what it adds to the name."""

    @property
    def inner(self) -> str:
        """The text without the calls around it."""
        separator = self.separator or ""
        if self.fields is not None:
            separator = _doubled(separator)
        return separator.join(part.text for part in self.parts)

    @property
    def value(self) -> str:
        """The text as an edit sees it."""
        return apply_all(self.wrappers, self.inner)

    @property
    def shown_fields(self) -> list[str]:
        """The computed parts in order, such as `{message}`."""
        return fields_of(self.inner) if self.fields is not None else []


def is_literal(node: ast.expr) -> bool:
    """True if `node` is one string literal or f-string, maybe of several tokens."""
    return isinstance(node, _JOINED) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def read_text(module: PythonModule, node: ast.expr) -> TextExpression | None:
    """Take an expression apart; None where it gives no text that is here.

    Raises:
        ArtifactError: it does, but cannot be taken apart.
    """
    if is_literal(node):
        return _of_parts(module, [node])
    if isinstance(node, ast.Call):
        return _of_call(module, node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        text = read_text(module, node.left)
        operand = ("" if isinstance(node.right, (ast.Tuple, ast.Dict)) else "[0]", node.right)
        return text and text._replace(filled_by_percent=True, beside=(*text.beside, operand))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _of_parts(module, _operands(node))
    return None


def _of_call(module: PythonModule, call: ast.Call) -> TextExpression | None:
    tidied = tidying_call(call, module.imports)
    if tidied is not None:
        text = read_text(module, tidied[0])
        return text and text._replace(wrappers=(*text.wrappers, tidied[1]))
    if not isinstance(call.func, ast.Attribute):
        return None
    if call.func.attr in _KEPT_CALLS:
        text = read_text(module, call.func.value)
        filled = call.args if call.func.attr == "format" else ()
        beside = [(f"[{number}]", argument) for number, argument in enumerate(filled)]
        beside += [(f".{keyword.arg}", keyword.value) for keyword in call.keywords if keyword.arg]
        return text and text._replace(beside=(*text.beside, *beside))
    separator = call.func.value
    if call.func.attr == "join" and isinstance(separator, ast.Constant) and len(call.args) == 1:
        items = call.args[0]
        if isinstance(separator.value, str) and isinstance(items, (ast.List, ast.Tuple)):
            return _of_parts(module, items.elts, separator.value)
    return None


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_operands(node.left), *_operands(node.right)]
    return [node]


def _of_parts(
    module: PythonModule, nodes: Sequence[ast.expr], separator: str | None = None
) -> TextExpression | None:
    if not any(map(is_literal, nodes)):
        return None
    names, text = FieldNames(), module.source.text
    spans = [span_of(text, node) for node in nodes]
    for node, (start, end) in zip(nodes, spans, strict=True):
        for source in _computed(node, text[start:end]):
            names.shown(source)
    fields = names.by_source or None
    parts = []
    for node, (start, end) in zip(nodes, spans, strict=True):
        literal = is_literal(node)
        shown = (
            _literal_text(node, text[start:end], fields) if literal else names.shown(f"{{{text[start:end]}}}")
        )
        parts.append(TextPart(node, start, end, shown, not literal))
    beside = tuple(("", node) for node in nodes if not is_literal(node))
    return TextExpression(tuple(parts), fields, separator or None, beside=beside)


def _computed(node: ast.expr, source: str) -> list[str]:
    if not isinstance(node, _JOINED):
        return [] if is_literal(node) else [f"{{{source}}}"]
    try:
        found = [field for token in tokens_of(source) for field in token.field_sources()]
    except ValueError:
        found = []
    expected = sum(not isinstance(value, ast.Constant) for value in getattr(node, "values", []))
    if len(found) != expected:
        raise ArtifactError("it is an f-string whose parts could not be told apart; make it a plain string")
    return found


def _literal_text(node: ast.expr, source: str, fields: Fields | None) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value) if fields is None else _doubled(str(node.value))
    return "".join(token.value(fields) for token in tokens_of(source))


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


# --- editing -------------------------------------------------------------------------------------------


class _Splice(NamedTuple):
    """A new text for one literal; a literal to be added, then `start` is `end`; one to be left out."""

    start: int
    end: int
    text: str | None
    before: str = ""
    after: str = ""


def spliced_sources(module: PythonModule, expression: TextExpression, text: str) -> Iterator[str]:
    """Sources of the module with the expression giving `text`, the one nearest to the old spelling first.

    Raises:
        ArtifactError: the expression cannot give this text; the message is the reason without the address.
    """
    value = inner_value(expression.wrappers, expression.inner, text)
    if value is None:
        raise ArtifactError(f"{expression.wrappers[-1].name}() would change the new text")
    _check_fields(expression, value)
    source = module.source.text
    splices = _splices(source, expression, value)
    ways = [list(_spelled(module, splice, expression.fields)) for splice in splices]
    for number in range(max(map(len, ways), default=1)):
        result = source
        for splice, spelled in sorted(zip(splices, ways, strict=True), key=lambda pair: -pair[0].start):
            chosen = spelled[min(number, len(spelled) - 1)]
            result = result[: splice.start] + chosen + result[splice.end :]
        yield result


def _spelled(module: PythonModule, splice: _Splice, fields: Fields | None) -> Iterator[str]:
    source = module.source.text
    around = surroundings_of(module.source, splice.start, splice.end)._replace(fields=fields)
    old = source[splice.start : splice.end]
    if splice.text is None:
        yield ""
        return
    if old:
        yield from spellings(old, splice.text, around)
        return
    one_line: Surroundings = around._replace(bracketed=True, indent="")
    for literal in spellings('""', splice.text, one_line):
        yield splice.before + literal + splice.after


def _check_fields(expression: TextExpression, value: str) -> None:
    """Raise ArtifactError where the new text drops or invents what is filled in here."""
    if expression.filled_by_percent:
        wanted = percent_fields(expression.inner)
        if wanted is not None and percent_fields(value) != wanted:
            raise ArtifactError(
                f"the % operator fills in {', '.join(wanted) or 'nothing'}; keep exactly these, in order, "
                "and write a literal percent sign as %%"
            )
    if expression.fields is None:
        return
    rest = FIELD.sub("", value)
    if "{" in rest or "}" in rest:
        raise ArtifactError("the new text has a single brace; write literal braces as {{ and }}")
    old, new = fields_of(expression.inner), fields_of(value)
    known = set(expression.fields.values())
    if invented := [field for field in new if field not in known]:
        raise ArtifactError(
            f"the new text brings in {', '.join(dict.fromkeys(invented))}, which nothing fills; "
            "write literal braces as {{ and }}"
        )
    if dropped := [field for field in dict.fromkeys(old) if field not in new]:
        raise ArtifactError(f"the new text drops {', '.join(dropped)}, which the code fills in; keep it")
    if len(expression.parts) > 1 and old != new:
        raise ArtifactError(f"the code fills in {', '.join(old)}; keep exactly these, in this order")


def _splices(source: str, expression: TextExpression, value: str) -> list[_Splice]:
    parts = expression.parts
    if len(parts) == 1:
        return [_Splice(parts[0].start, parts[0].end, value)]
    spans = [_with_parentheses(source, part) for part in parts]
    found: list[_Splice] = []
    comma = ", " if expression.separator is not None else " + "
    left_out: list[TextPart] = []
    for run, previous, following, text in _runs(expression, value):
        if run:
            for part, new in zip(run, _shares(run, text or "", expression), strict=True):
                if new is None:
                    left_out.append(part)
                elif new != part.text:
                    found.append(_Splice(part.start, part.end, new))
        elif text and previous is not None:
            _, end = _with_parentheses(source, previous)
            found.append(_Splice(end, end, text, comma))
        elif text and following is not None:
            start, _ = _with_parentheses(source, following)
            found.append(_Splice(start, start, text, "", comma))
    first_kept = next(number for number, part in enumerate(parts) if part not in left_out)
    for number, part in enumerate(parts):  # items of a list go with the comma beside them
        if part in left_out and number < first_kept:
            found.append(_Splice(spans[number][0], spans[number + 1][0], None))
        elif part in left_out:
            found.append(_Splice(spans[number - 1][1], spans[number][1], None))
    return found


def _with_parentheses(source: str, part: TextPart) -> tuple[int, int]:
    """Return the part's span with the parentheses that hold it and nothing else."""
    start, end = part.start, part.end
    while True:
        before, after = source[:start].rstrip(), source[end:].lstrip()
        if not (before.endswith("(") and after.startswith(")")):
            return start, end
        start, end = len(before) - 1, len(source) - len(after) + 1


_Run = tuple[list[TextPart], "TextPart | None", "TextPart | None", str]


def _runs(expression: TextExpression, value: str) -> Iterator[_Run]:
    """Yield the literals between two computed parts, these two, and the new text there."""
    texts = _texts_between(expression, value)
    run: list[TextPart] = []
    previous: TextPart | None = None
    for part in (*expression.parts, None):
        if part is None or part.computed:
            text = next(texts)
            if expression.separator is not None:
                text = _without_separators(expression, text, previous is not None, part is not None)
            yield run, previous, part, text
            run, previous = [], part
        else:
            run.append(part)


def _texts_between(expression: TextExpression, value: str) -> Iterator[str]:
    """Yield the new text split at those fields that are operands, not at those inside an f-string."""
    inside = [
        part.computed
        for part in expression.parts
        for _ in (fields_of(part.text) if expression.fields is not None else ())
    ]
    last = 0
    matches = [match for match in FIELD.finditer(value) if match[0] not in ("{{", "}}")]
    for match, operand in zip(matches if expression.fields is not None else [], inside, strict=True):
        if operand:
            yield value[last : match.start()]
            last = match.end()
    yield value[last:]


def _without_separators(expression: TextExpression, text: str, after: bool, before: bool) -> str:
    separator = _separator(expression)
    alone = after and before and text == separator
    for needed, cut in ((after, str.removeprefix), (before, str.removesuffix)):
        if needed:
            shorter = text if alone else cut(text, separator)
            if shorter == text and not alone and text:
                raise ArtifactError(f"{separator!r} must be between the parts that are joined")
            text = shorter
    return "" if alone else text


def _separator(expression: TextExpression) -> str:
    separator = expression.separator or ""
    return _doubled(separator) if expression.fields is not None else separator


_WORD = re.compile(r"\{[^{}]*\}|\w+|\s|[^\w\s]")


def _shares(run: list[TextPart], text: str, expression: TextExpression) -> Sequence[str | None]:
    """Return the new text shared out so that literals whose text stays keep it; None leaves one out."""
    if len(run) == 1:
        return [text]
    if expression.separator is None:
        shares = _assigned([_WORD.findall(part.text) for part in run], _WORD.findall(text))
        return ["".join(share) for share in shares]
    separator = _separator(expression)
    shares = _assigned([part.text.split(separator) for part in run], text.split(separator))
    return [separator.join(share) if share else None for share in shares]


def _assigned(old: Sequence[Sequence[str]], new: Sequence[str]) -> list[list[str]]:
    """`new` in as many groups as `old` has, each item where its equal or its neighbor was."""
    owners = [number for number, group in enumerate(old) for _ in group]
    flat = [item for group in old for item in group]
    shares: list[list[str]] = [[] for _ in old]
    matcher = SequenceMatcher(None, flat, new, autojunk=False)
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        for place in range(j1, j2):
            index = i1 + (place - j1) * (i2 - i1) // (j2 - j1) if i2 > i1 else max(i1 - 1, 0)
            shares[owners[index] if owners else 0].append(new[place])
    return shares
