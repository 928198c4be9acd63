"""Small changes of a function in place: lines before its body, text spliced in, one more parameter."""

from __future__ import annotations

import ast

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.propose.operators.message_lists import Positions, Splice, spliced
from pytest_fapo.propose.operators.operator import FunctionDraft
from pytest_fapo.propose.operators.operator_target import OperatorTarget


class FunctionSplices:
    """Collects the changes of one function whose body stays where it is."""

    def __init__(self, target: OperatorTarget, evidence: Evidence) -> None:
        self.draft = FunctionDraft(target, evidence)
        self.positions = Positions(target.source.text)
        self._source = target.source
        self._lines: list[str] = []
        self._splices: list[Splice] = []

    def line(self, *lines: str) -> None:
        """Lines that are before the body."""
        self._lines += lines

    def splice(self, splice: Splice) -> None:
        self._splices.append(splice)

    def replace(self, node: ast.expr, text: str) -> None:
        self.splice(Splice(self.positions.start(node), self.positions.end(node), text))

    def argument(self, call: ast.Call, text: str) -> None:
        """One more argument of a call."""
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if given:
            end = max(map(self.positions.end, given))
            self.splice(Splice(end, end, f", {text}"))
        else:
            end = self.positions.end(call) - 1
            self.splice(Splice(end, end, text))

    def parameter(self, name: str) -> None:
        """One more parameter, which is given by name and may be left out."""
        arguments = self._source.node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        typed = any(each.annotation is not None for each in every)
        star = "" if arguments.kwonlyargs or arguments.vararg is not None else "*, "
        text = f"{star}{name}: Sequence[dict[str, str]] = ()" if typed else f"{star}{name}=()"
        if typed:
            self.draft.need_from("collections.abc", "Sequence")
        if arguments.kwarg is not None:
            start = self.positions.start(arguments.kwarg) - len("**")
            self.splice(Splice(start, start, f"{text}, "))
            return
        last: list[ast.expr | ast.arg] = [*every]
        last += [each for each in (*arguments.defaults, *arguments.kw_defaults) if each is not None]
        last += [arguments.vararg] if arguments.vararg is not None else []
        end = max(map(self.positions.end, last))
        self.splice(Splice(end, end, f", {text}"))

    def edits(self) -> list[Edit]:
        """Return the function's edit.

        Raises:
            OperatorError: the result does not parse.
        """
        lines = spliced(self._source.text, self._splices).rstrip("\n").split("\n")
        row = len(self._source.head)  # no splice of a header has a line break
        new = [f"{self._source.unit}{line}" for line in self._lines]
        return self.draft.rewritten([*lines[:row], *new, *lines[row:]])
