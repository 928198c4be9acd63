"""Group regressions by cause: the step that answers otherwise, how, and the changed prompt behind it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import JsonValue

from pytest_fapo.core.gate_result import Regression
from pytest_fapo.core.text import count, one_line, value_difference
from pytest_fapo.verdict.case_effect import read_output

_USUAL = 0.6
"""Share of the tests of a cause that a change must be seen in to be named as theirs."""

_OTHER = "gives another {answer}"

_SAME = "the tests fail on the same output"


@dataclass
class RegressionCause:
    """Regressions in which one step is the first that answers otherwise."""

    pipeline: str
    step: str
    """Key of that step; empty where none is known."""
    prompt: str
    """Address of the changed artifact that the step uses; empty where none is known."""
    place: str = ""
    """Without a step: the field of the output that differs."""
    change: str = ""
    """Without a step: what is different in it."""
    regressions: list[Regression] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The same in every run that has this cause, whatever its tests are."""
        return "\0".join((self.pipeline, self.step, self.prompt, self.place, self.change))

    @property
    def fails(self) -> bool:
        return any(each.fails for each in self.regressions)

    @property
    def sentence(self) -> str:
        """`classify wraps its answer in more text`."""
        changes = Counter(_change(each) for each in self.regressions)
        change, often = changes.most_common(1)[0]
        total = len(self.regressions)
        if often < _USUAL * total:
            change, often = _OTHER, total
        if change == _SAME:
            return _SAME
        subject = one_line(self.step, most=60) or "the pipeline"
        name = one_line(self.place, most=40)
        answer = change.format(it=name or "its answer", answer=name or "answer")
        share = f" (in {often:,} of {total:,} tests)" if often < total else ""
        return f"{subject} {answer}{share}"

    @property
    def since(self) -> str:
        """` since this change` where a changed prompt is known to matter, else empty."""
        return " since this change" if self.prompt else ""

    def examples(self, most: int) -> list[Regression]:
        """Return regressions that differ from each other, then others; at most `most`."""
        first: dict[str, Regression] = {}
        for each in self.regressions:
            first.setdefault(difference(each), each)
        told = list(first.values())[:most]
        rest = [each for each in self.regressions if not any(each is other for other in told)]
        return told + rest[: most - len(told)]


def regression_causes(regressions: Iterable[Regression]) -> list[RegressionCause]:
    """Group regressions by cause: those that decide first, then by how many tests a cause has."""
    causes: dict[str, RegressionCause] = {}
    for each in sorted(regressions, key=lambda each: (not each.fails, each.nodeid)):
        cause = RegressionCause(each.pipeline, each.step, each.prompt)
        if not each.step:
            cause.place, cause.change = _telling_field(each), _change(each)
        causes.setdefault(cause.key, cause).regressions.append(each)
    return sorted(causes.values(), key=lambda cause: (not cause.fails, -len(cause.regressions)))


def causes_headline(causes: list[RegressionCause]) -> str:
    """Return `60 tests, one cause: classify wraps its answer since this change`, or `60 tests, 3 causes`."""
    tests = count(sum(len(cause.regressions) for cause in causes), "test")
    if len(causes) == 1:
        one = "" if len(causes[0].regressions) == 1 else ", one cause"
        return f"{tests}{one}: {causes[0].sentence}{causes[0].since}"
    return f"{tests}, {count(len(causes), 'cause')}"


def difference(regression: Regression, *, most: int = 100) -> str:
    """Return what differs between both outputs; pytest's words where they are equal as they are kept."""
    before, after = regression.output_before, regression.output_after
    if not before and not after:
        return f"{regression.result_before} → {regression.result_after}"
    if before == after:
        said = one_line(regression.explanation, most=most)
        return f"{regression.result_before} → {regression.result_after}" + (f": {said}" if said else "")
    return value_difference(read_output(before), read_output(after), most=most)


def short_names(nodeids: list[str]) -> list[str]:
    """Return the node ids without their file where all are of one file."""
    files = {nodeid.partition("::")[0] for nodeid in nodeids}
    if len(files) == 1 and all("::" in nodeid for nodeid in nodeids):
        return [nodeid.partition("::")[2] for nodeid in nodeids]
    return list(nodeids)


# --- what is different in an output ------------------------------------------------------------------------

_ERROR = re.compile(r"(\w+(?:\.\w+)*)")
_WORDS: dict[type, str] = {str: "text", dict: "an object", list: "a list", bool: "a truth value"}


def _change(regression: Regression) -> str:
    """Return what became of the answer, with `{it}` and `{answer}` for its name."""
    before, after = read_output(regression.output_before), read_output(regression.output_after)
    if not regression.output_after:
        return _OTHER
    error = _error(after)
    if error and not _error(before):
        return f"raises {error}"
    pair = next(iter(_telling(before, after, regression)), None)
    return _SAME if pair is None else _change_of_value(pair[1], pair[2])


def _error(output: JsonValue) -> str:
    """Name of the exception that a run ended with."""
    said = output.get("error") if isinstance(output, dict) and output.keys() == {"error"} else None
    found = _ERROR.match(said) if isinstance(said, str) else None
    return found[1] if found else ""


def _change_of_value(before: JsonValue, after: JsonValue) -> str:
    if after in (None, "", [], {}):
        return "leaves {it} empty"
    if isinstance(before, str) and isinstance(after, str) and before.strip("…"):
        first, second = before.strip(), after.strip()
        if first.casefold() == second.casefold():
            return "writes {it} with other capitals or spaces"
        if first.rstrip("…") in second:
            return "wraps {it} in more text"
        if second.rstrip("…") in first:
            return "gives only a part of {it}"
    kinds = _kind(before), _kind(after)
    return f"gives {kinds[1]} instead of {kinds[0]}" if kinds[0] != kinds[1] else _OTHER


def _kind(value: JsonValue) -> str:
    return "nothing" if value is None else _WORDS.get(type(value), "a number")


def _telling(
    before: JsonValue, after: JsonValue, regression: Regression
) -> list[tuple[str, JsonValue, JsonValue]]:
    """Return the differing values, those that are the differing step's answer or that pytest speaks of
    first.
    """
    step = read_output(regression.step_output) if regression.step_output else None

    def rank(found: tuple[str, JsonValue, JsonValue]) -> tuple[bool, bool]:
        name = found[0].rpartition(".")[2]
        return found[2] != step, not (name and name in regression.explanation)

    return sorted(_differences(before, after, ""), key=rank)


def _differences(
    before: JsonValue, after: JsonValue, path: str
) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from _differences(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif before != after:
        yield path, before, after


def _telling_field(regression: Regression) -> str:
    before, after = read_output(regression.output_before), read_output(regression.output_after)
    found = _telling(before, after, regression) if not _error(after) else []
    return found[0][0] if found else ""
