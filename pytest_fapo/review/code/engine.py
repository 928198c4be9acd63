"""Runs the checks of one rewritten or new function against what was there before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pytest_fapo.review.code.access import Access
from pytest_fapo.review.code.around import Around
from pytest_fapo.review.code.encoded import encoded_problems
from pytest_fapo.review.code.endings import ending_problems
from pytest_fapo.review.code.imports import import_problems
from pytest_fapo.review.code.isolation import pretenders, stores
from pytest_fapo.review.code.literals import Literals
from pytest_fapo.review.code.prompt_files import misused_prompts
from pytest_fapo.review.code.signature import default_changes, signature_problems
from pytest_fapo.review.code.source import Source
from pytest_fapo.review.code.words import word_problems

_LINE = re.compile(r"^line \d+: ")


class Problem(NamedTuple):
    """One objection, without the function's address."""

    check: str
    message: str
    blocks: bool = True


@dataclass(frozen=True)
class CodeChange:
    """A function's new source with what it takes the place of."""

    after: Source
    around: Around
    before: Source | None = None
    """None for a new function."""
    others: Sequence[Source] = field(default=())
    """Functions of the file that the candidate rewrites, as they were: code moves between them."""

    @cached_property
    def earlier(self) -> list[Source]:
        """All code that may have moved into the new source."""
        return [*([self.before] if self.before is not None else []), *self.others]


def code_problems(change: CodeChange) -> Iterator[Problem]:
    """Everything that speaks against the new source, the cases aside."""
    for message in import_problems(change.after, change.around):
        yield Problem("imports", message)
    yield from _undefined(change)
    yield from _access(change)
    yield from _beyond_before("isolation", change, lambda source: stores(source, _of(source, change)), _APART)
    yield from _beyond_before("comparison", change, _plainly(pretenders), _HONEST)
    yield from _beyond_before("endless", change, _plainly(ending_problems), "")
    yield from _beyond_before(
        "encoded", change, lambda source: encoded_problems(source, Literals(source)), _READABLE
    )
    outer = change.around.module.functions.keys() | change.around.module.imports.keys()
    yield from _beyond_before("access", change, _plainly(lambda source: word_problems(source, outer)), "")
    yield from _beyond_before("encoded", change, _plainly(_misused_prompts(change)), _ASKED)
    if change.before is not None:
        for message in signature_problems(change.before, change.after):
            yield Problem("signature", message)
        for message in default_changes(change.before, change.after):
            yield Problem("signature", message, blocks=False)


_ASKED = "a prompt is for the model to read, not for the code"
_SHARED = ("network access", "environment access")
_APART = "cases must not leave traces for each other: keep it in the function's own variables"
_HONEST = "outputs are compared by the tests as they are: return plain values"
_READABLE = "write a rule that a reader can check"


def told(source: Source) -> str:
    """All that the code says in words: its strings, its comments, and what its tables lead to."""
    literals = Literals(source)
    lines = [text.value for text in literals.texts]
    lines += [f"{left} -> {right}" for left, right in literals.tables() if left and right]
    lines += literals.comments()
    lines += [name for name in _names(source) if name.count("_") >= 3]
    return "\n".join(lines)


def _names(source: Source) -> Iterable[str]:
    return dict.fromkeys(node.id for node in source.scopes.names())


def _of(source: Source, change: CodeChange) -> Access:
    return Access(source, change.around)


def _misused_prompts(change: CodeChange) -> Callable[[Source], Iterator[str]]:
    return lambda source: misused_prompts(source, change.around)


def _of_file(change: CodeChange) -> Access:
    """What the whole file uses: its clients and its settings serve all of its functions."""
    module = change.around.module
    return Access(Source("", module.tree, change.after.function), change.around)


def _plainly(check: Callable[[Source], Iterator[str]]) -> Callable[[Source], Iterator[tuple[str, str]]]:
    """A check whose messages are its keys, their lines aside."""
    return lambda source: ((_LINE.sub("", message), message) for message in check(source))


def _undefined(change: CodeChange) -> Iterator[Problem]:
    known = {node.id for source in change.earlier for node in _of(source, change).undefined()}
    names = {node.id: node for node in _of(change.after, change).undefined() if node.id not in known}
    for name, node in sorted(names.items()):
        message = f"line {node.lineno}: {name} is not defined; define it, import it or pass it in"
        yield Problem("syntax", message)


def _access(change: CodeChange) -> Iterator[Problem]:
    known = {use.key for source in change.earlier for use in _of(source, change).uses}
    known |= {use.key for use in _of_file(change).uses if use.risk in _SHARED}
    told_already: set[tuple[str, int]] = set()
    for use in _of(change.after, change).uses:
        place = (use.said.rpartition(".")[2], use.line)
        if use.key not in known and place not in told_already:
            told_already.add(place)
            message = f"line {use.line}: uses {use.said}, which it did not before ({use.risk}); do without it"
            yield Problem("access", message)


def _beyond_before(
    check: str, change: CodeChange, find: Callable[[Source], Iterator[tuple[str, str]]], remedy: str
) -> Iterator[Problem]:
    """What a check finds in the new source and did not find in the old."""
    known = {key for source in change.earlier for key, _ in find(source)}
    found = {key: message for key, message in find(change.after) if key not in known}
    for message in dict.fromkeys(found.values()):
        yield Problem(check, f"{message}; {remedy}" if remedy else message)
