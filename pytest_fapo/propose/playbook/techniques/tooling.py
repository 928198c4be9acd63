"""Tools of an agent: what they are called, what they take, and that they are to be used."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from pytest_fapo.models import ToolUse
from pytest_fapo.models.tool_uses import tool_uses
from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.techniques.value_form import identifier
from pytest_fapo.propose.playbook.view import Seen, View, listed

TITLE = "Use of the tools"
_EXPECTED = re.compile(r"(?i)\b(?:expected|must be|should be|use|required format:?)\s+([^.;\n]{2,60})")


def tool_arguments(view: View) -> Iterator[Advice]:
    """State the form of arguments that a tool refused, as the tool says it or as it took them elsewhere."""
    if view.cluster.category != "tool":
        return
    refused: dict[str, list[ToolUse]] = defaultdict(list)
    taken: dict[str, list[ToolUse]] = defaultdict(list)
    mends: set[str] = set()
    for seen in view.seen:
        for use in uses_of(seen):
            if use.error in ("invalid arguments", "error"):
                refused[use.name].append(use)
                mends |= set(seen.targets)
            elif use.answered and use.error is None:
                taken[use.name].append(use)
    lines = [line for tool in sorted(refused) for line in _argument_lines(tool, refused[tool], taken[tool])]
    if lines:
        yield Advice(
            "tool arguments",
            TITLE,
            lines,
            "The tool refuses arguments in the form in which the model gives them.",
            mends=frozenset(mends),
        )


def tool_names(view: View) -> Iterator[Advice]:
    """Name the tools that there are where the model asks for others."""
    offered = offered_tools(view)
    if view.cluster.category != "tool" or not offered:
        return
    mends = {
        nodeid
        for seen in view.targets
        if any(use.error == "unknown tool" or use.name not in offered for use in uses_of(seen))
        for nodeid in seen.targets
    }
    if mends:
        yield Advice(
            "tool names",
            TITLE,
            [f"The only tools are {listed(offered, last='and')}; call them by exactly these names."],
            "The model asks for tools that are not there.",
            mends=frozenset(mends),
        )


def use_tools(view: View) -> Iterator[Advice]:
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
        mends=frozenset(nodeid for seen in idle for nodeid in seen.targets),
    )


def uses_of(seen: Seen) -> list[ToolUse]:
    """The tool calls of the step in one case."""
    return tool_uses(seen.step.calls) if seen.step is not None else []


def offered_tools(view: View) -> list[str]:
    """Names of the tools that the step offers its model."""
    names = [
        name
        for seen in view.seen
        for call in (seen.step.calls if seen.step is not None else [])
        for name in call.offered
    ]
    return list(dict.fromkeys(names))


def _argument_lines(tool: str, refused: list[ToolUse], taken: list[ToolUse]) -> Iterator[str]:
    """Of the arguments whose refused values differ in form from those taken; else the tool's own words."""
    told = False
    for name in dict.fromkeys(key for use in refused for key in _arguments(use)):
        right = [value for use in taken if isinstance(value := _arguments(use).get(name), str)]
        wrong = [value for use in refused if isinstance(value := _arguments(use).get(name), str)]
        form = _form(right)
        if form and wrong and not any(_form([*right, value]) for value in wrong):
            told = True
            yield f'Give the argument "{name}" of the tool {tool} as {form}.'
    if not told:
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
    """What all values have in common, in words; empty where that is nothing."""
    if len(values) < 2:
        return ""
    if all(re.fullmatch(r"\d{4}-\d\d-\d\d", value) for value in values):
        return "YYYY-MM-DD (year, month, day, with leading zeros)"
    if all(re.fullmatch(r"\d\d:\d\d", value) for value in values):
        return "HH:MM"
    made_of = identifier(values)
    return f"the bare identifier ({made_of})" if made_of else ""
