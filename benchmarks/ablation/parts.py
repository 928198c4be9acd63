"""The parts that are left out in turn, and how each is left out of a running interpreter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis import attribution
from pytest_fapo.diagnosis.contrast import Rule
from pytest_fapo.diagnosis.failure import Failure
from pytest_fapo.propose.operators.operator import Operator
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.operators.step_operators import OPERATORS
from pytest_fapo.propose.playbook import operator_choice, parameter_moves, playbook, prompt_techniques
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence, Technique
from pytest_fapo.review.leakage import leak_checks, leak_detectors

Kind = Literal["technique", "parameter", "operator", "rule", "detector"]
KINDS: tuple[Kind, ...] = ("technique", "parameter", "operator", "rule", "detector")


@dataclass(frozen=True)
class Part:
    """One thing that can be left out."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


_WAYS = ("joint", "corrections")
"""Functions that `playbook.py` calls for candidates beside the sections of rules.

`demonstrations` is not judged: it quotes cases, which no project allows by default.
"""
_ELSEWHERE = {("technique", "choosing"), ("parameter", "seconds")}
"""Not judged either: rules of values lift the example project from 89 to 93 %, and a time limit that is too
short is a fault that needs a slow server."""
_TURNS = "demonstrations-as-turns"
"""An operator that the playbook has a way of its own to."""
_LISTS = "answer_lists"
_DECODED = "decoded"
_FALLBACK = "fallback"
"""The last rule: it takes what no other does, so there is no diagnosis without it."""


def all_parts() -> list[Part]:
    """Every part, read from the product's own lists: what is added there is judged without a word here."""
    names: dict[Kind, list[str]] = {
        "technique": [each.__name__ for each in prompt_techniques.TECHNIQUES] + [*_WAYS],
        "parameter": [*parameter_moves._WANTED],
        "operator": [*OPERATORS],
        "rule": [rule.__name__ for rule in attribution.RULES if rule.__name__ != _FALLBACK],
        "detector": [each.find.__name__ for each in leak_detectors.DETECTORS] + [_LISTS, _DECODED],
    }
    return [Part(kind, name) for kind in KINDS for name in names[kind] if (kind, name) not in _ELSEWHERE]


def part(key: str) -> Part:
    """The part that `str(part)` names.

    Raises:
        ValueError: there is none of that name.
    """
    for each in all_parts():
        if str(each) == key:
            return each
    raise ValueError(f"no part {key!r}")


def leave_out(left: Part) -> Callable[[], None]:
    """Leave a part out of this interpreter; what is returned puts it back."""
    undo: list[Callable[[], None]] = []

    def replace(owner: Any, name: str, value: Any) -> None:
        before = getattr(owner, name)
        setattr(owner, name, value)
        undo.append(lambda: setattr(owner, name, before))

    if left.kind == "parameter":
        replace(parameter_moves, "_WANTED", {**parameter_moves._WANTED, left.name: ()})
    elif left.name == _TURNS:
        replace(playbook, "as_turns", _nothing)
    elif left.kind == "operator":
        replace(operator_choice, "apply_operator", _applying_all_but(left.name))
    elif left.kind == "rule":
        replace(attribution, "RULES", _without(attribution.RULES, left.name))
    elif left.name in _WAYS:
        replace(playbook, left.name, _nothing)
    elif left.name == _LISTS:
        replace(leak_checks, "answer_lists", _nothing)
    elif left.name == _DECODED:
        replace(leak_checks, "_hidden", _nothing)
    elif left.kind == "detector":
        kept = tuple(each for each in leak_detectors.DETECTORS if each.find.__name__ != left.name)
        replace(leak_detectors, "DETECTORS", kept)
    else:
        replace(prompt_techniques, "TECHNIQUES", _without(prompt_techniques.TECHNIQUES, left.name))

    def put_back() -> None:
        for step in reversed(undo):
            step()

    return put_back


def _without(functions: Sequence[Any], name: str) -> tuple[Any, ...]:
    return tuple(function for function in functions if function.__name__ != name)


def _nothing(*_: Any) -> Iterator[Any]:
    return iter(())


def _applying_all_but(name: str) -> Callable[..., Any]:
    apply: Callable[..., Any] = vars(operator_choice)["apply_operator"]

    def applied(operator: Operator, evidence: Any) -> Any:
        if operator.operator == name:
            raise OperatorError(f"{name} is left out")
        return apply(operator, evidence)

    return applied


class Listening:
    """Notes which parts speak: the names of techniques in a journal, and the rules that decide."""

    def __init__(self) -> None:
        self.words: dict[str, set[str]] = {}
        """Part to the words that stand for it in a candidate's `technique`."""
        self.rules: set[str] = set()
        """Rules that gave a finding."""

    def begin(self) -> None:
        """Listen from now on, in this interpreter."""
        for way in _WAYS:
            setattr(playbook, way, self._candidates(f"technique:{way}", getattr(playbook, way)))
        prompt_techniques.TECHNIQUES = tuple(map(self._advice, prompt_techniques.TECHNIQUES))
        attribution.RULES = tuple(map(self._rule, attribution.RULES))

    def forget(self) -> None:
        """Start over."""
        self.words.clear()
        self.rules.clear()

    def _add(self, key: str, words: str) -> None:
        self.words.setdefault(key, set()).add(words)

    def _advice(self, technique: Technique) -> Technique:
        def noted(view: PromptEvidence) -> Iterator[Advice]:
            for advice in technique(view):
                self._add(f"technique:{technique.__name__}", advice.technique)
                yield advice

        noted.__name__ = technique.__name__
        return noted

    def _rule(self, rule: Rule) -> Rule:
        def noted(failure: Failure) -> Finding | None:
            finding = rule(failure)
            if finding is not None:
                self.rules.add(rule.__name__)
            return finding

        noted.__name__ = rule.__name__
        return noted

    def _candidates(
        self, key: str, way: Callable[..., Iterator[Candidate]]
    ) -> Callable[..., Iterator[Candidate]]:
        def noted(*arguments: Any) -> Iterator[Candidate]:
            for candidate in way(*arguments):
                self._add(key, candidate.technique)
                yield candidate

        return noted


def took_part(part: Part, techniques: Sequence[str], words: Mapping[str, Collection[str]]) -> bool:
    """True if accepted candidates may owe something to the part; too often rather than too rarely."""
    if part.kind == "parameter":
        own: Collection[str] = [parameter_moves._TECHNIQUES[part.name][0]]  # type: ignore[index]
    else:
        own = [part.name] if part.kind == "operator" else words.get(str(part), [])
    return any(word in technique for technique in techniques for word in own)
