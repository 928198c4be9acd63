"""Rules about an agent's tools (names, arguments, use) and about the tables that a written query may use."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_fapo.core.trace import ToolUse, tool_uses
from pytest_fapo.diagnosis.loose_values import whole_text
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence, StepCase, listed
from pytest_fapo.propose.playbook.value_form import identifier

TITLE = "Use of the tools"

_EXPECTED = re.compile(r"(?i)\b(?:expected|must be|should be|use|required format:?)\s+([^.;\n]{2,60})")


def tool_arguments(view: PromptEvidence) -> Iterator[Advice]:
    """State the form of arguments that a tool refused, as the tool says it or as it took them elsewhere."""
    if view.cluster.category != "tool":
        return
    refused: dict[str, list[ToolUse]] = defaultdict(list)
    taken: dict[str, list[ToolUse]] = defaultdict(list)
    fixes: set[str] = set()
    for seen in view.seen:
        for use in uses_of(seen):
            if use.error in ("invalid arguments", "error"):
                refused[use.name].append(use)
                fixes |= set(seen.targets)
            elif use.answered and use.error is None:
                taken[use.name].append(use)
    lines = [line for tool in sorted(refused) for line in _argument_lines(tool, refused[tool], taken[tool])]
    if lines:
        yield Advice(
            "tool arguments",
            TITLE,
            lines,
            "The tool refuses arguments in the form in which the model gives them.",
            fixes=frozenset(fixes),
        )


def use_tools(view: PromptEvidence) -> Iterator[Advice]:
    """Ask for the tools to be used where the model answers without them."""
    offered = offered_tools(view)
    if view.cluster.category not in ("content", "label", "unknown", "missing-input", "empty") or not offered:
        return
    idle = [seen for seen in view.targets if not uses_of(seen)]
    if not idle:
        return
    named = f"the tool {offered[0]}" if len(offered) == 1 else f"the tools ({listed(offered, last='and')})"
    yield Advice(
        "use of tools",
        TITLE,
        [f"Always use {named} to find the answer; never answer from memory or work it out in your head."],
        "The model answers by itself what a tool would tell it.",
        fixes=frozenset(nodeid for seen in idle for nodeid in seen.targets),
    )


def uses_of(seen: StepCase) -> list[ToolUse]:
    """Return the tool calls of the step in one case."""
    return tool_uses(seen.step.calls) if seen.step is not None else []


def offered_tools(view: PromptEvidence) -> list[str]:
    """Return names of the tools that the step offers its model."""
    names = [
        name
        for seen in view.seen
        for call in (seen.step.calls if seen.step is not None else [])
        for name in call.offered
    ]
    return list(dict.fromkeys(names))


def _argument_lines(tool: str, refused: list[ToolUse], taken: list[ToolUse]) -> Iterator[str]:
    """Of the arguments whose refused values differ in form from those taken; else the tool's own words."""
    added = False
    for name in dict.fromkeys(key for use in refused for key in _arguments(use)):
        right = [value for use in taken if isinstance(value := _arguments(use).get(name), str)]
        wrong = [value for use in refused if isinstance(value := _arguments(use).get(name), str)]
        form = _form(right)
        if form and wrong and not any(_form([*right, value]) for value in wrong):
            added = True
            yield f'Give the argument "{name}" of the tool {tool} as {form}.'
    if not added:
        messages = [str(use.result) for use in refused]
        wanted = {match.group(1).strip() for text in messages if (match := _EXPECTED.search(text))}
        if len(wanted) == 1:
            names = {name for use in refused for name in _arguments(use)}
            names = {
                name for name in names if all(re.search(rf"\b{re.escape(name)}\b", text) for text in messages)
            }
            what = f'the argument "{names.pop()}"' if len(names) == 1 else "the arguments"
            yield f"Give {what} of the tool {tool} as it expects: {wanted.pop()}."


def _arguments(use: ToolUse) -> dict[str, Any]:
    return use.arguments if isinstance(use.arguments, dict) else {}


def _form(values: list[str]) -> str:
    """Return the form that all values share, as text; empty if there is none."""
    if len(values) < 2:
        return ""
    if all(re.fullmatch(r"\d{4}-\d\d-\d\d", value) for value in values):
        return "YYYY-MM-DD (year, month, day, with leading zeros)"
    if all(re.fullmatch(r"\d\d:\d\d", value) for value in values):
        return "HH:MM"
    made_of = identifier(values)
    return f"the bare identifier ({made_of})" if made_of else ""


_UNKNOWN = re.compile(
    r"(?i)no such (column|table)|(unknown|undefined|invalid) (column|table)"
    r"|(column|relation|table) \S+ does not exist"
)

_TABLE = re.compile(
    r"(?i)create\s+(?:temp\w*\s+)?table\s+(?:if\s+not\s+exists\s+)?[\"`]?(\w+)[\"`]?\s*\(((?:[^()]|\([^()]*\))*)\)"
)

_NO_COLUMN = frozenset({"primary", "foreign", "unique", "check", "constraint", "key", "index"})

MOST_TABLES = 8


def tables(view: PromptEvidence) -> Iterator[Advice]:
    """Name tables and columns where queries use others."""
    fixes = {
        nodeid
        for seen in view.targets
        if any(_UNKNOWN.search(text) for text in _error_texts(view, seen.case.key))
        for nodeid in seen.targets
    }
    columns_of = _tables(view.evidence.sources.values()) if fixes else {}
    if columns_of:
        yield Advice(
            "table columns",
            "Tables",
            [
                f"The table {name} has the columns {listed(columns, last='and')}; use exactly these names."
                for name, columns in list(columns_of.items())[:MOST_TABLES]
            ],
            "The query uses columns that are not there; the prompt does not say which there are.",
            fixes=frozenset(fixes),
        )


def _error_texts(view: PromptEvidence, key: str) -> Iterator[str]:
    """Yield the error texts of a case: pytest's explanation, and the errors of its steps."""
    for item in view.evidence.cases:
        if item.case.key == key and not item.passed:
            yield item.explanation
            if item.trace is not None:
                yield whole_text([item.trace.error, *(step.error for step in item.trace.steps)])


def _tables(sources: Iterable[str]) -> dict[str, list[str]]:
    columns_of: dict[str, list[str]] = {}
    for match in _TABLE.finditer("\n".join(sources)):
        columns = []
        for part in re.split(r",(?![^(]*\))", match.group(2)):
            words = re.findall(r"\w+", part)
            if words and words[0].lower() not in _NO_COLUMN:
                columns.append(words[0])
        if columns:
            columns_of.setdefault(match.group(1), columns)
    return columns_of
