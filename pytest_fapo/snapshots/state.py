"""The comment at the end of a snapshot: what it was made from, by which a stale one is known."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FORMAT = 1
"""Version of the file's format."""

_HEAD = "<!-- pytest-fapo snapshot, format "
_COMMENT = re.compile(rf"{_HEAD}(\d+)\n(.*\n)?-->\s*", re.S)


@dataclass(frozen=True)
class Asking:
    """One LLM call: digests of what was asked and of what was answered."""

    step: str
    question: str
    answer: str


@dataclass(frozen=True)
class State:
    """What a snapshot was made from."""

    pipeline: str
    sample: str
    """Id of the case whose prompts are shown; empty where there is none."""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """Address to digest; the functions of a file together under the file's path."""
    calls: Sequence[Asking] = ()


class UnreadableState(ValueError):
    """The comment is not there or not as this version writes it; the message says which."""


def state_comment(state: State) -> str:
    """The comment, one thing a line, so that two branches that changed two prompts merge."""
    lines = [f"{_HEAD}{FORMAT}", f"pipeline {_quoted(state.pipeline)}"]
    if state.sample:
        lines.append(f"sample {_quoted(state.sample)}")
    lines += [f"artifact {_quoted(address)} {digest}" for address, digest in sorted(state.artifacts.items())]
    lines += [f"call {_quoted(call.step)} {call.question} {call.answer}" for call in state.calls]
    return "\n".join([*lines, "-->", ""])


def read_state(text: str) -> State:
    """What stands in the comment of a snapshot.

    Raises:
        UnreadableState: there is none, or it was written by another version.
    """
    text = text.replace("\r\n", "\n")
    # the last one: a prompt may quote another
    found = _COMMENT.fullmatch(text, max(0, text.rfind("\n" + _HEAD) + 1))
    if found is None:
        raise UnreadableState("its last lines are not those of a snapshot")
    if int(found[1]) != FORMAT:
        raise UnreadableState(f"it has format {found[1]}, and this version writes {FORMAT}")
    names: dict[str, str] = {}
    artifacts: dict[str, str] = {}
    calls: list[Asking] = []
    for line in (found[2] or "").splitlines():
        kind, name, rest = _line(line)
        if kind == "artifact" and len(rest) == 1:
            artifacts[name] = rest[0]
        elif kind == "call" and len(rest) == 2:
            calls.append(Asking(name, *rest))
        elif kind in ("pipeline", "sample") and not rest:
            names[kind] = name
        else:
            raise UnreadableState(f"{line.strip()[:60]!r} does not belong into its last lines")
    return State(names.get("pipeline", ""), names.get("sample", ""), artifacts, calls)


def _line(line: str) -> tuple[str, str, list[str]]:
    kind, _, rest = line.partition(" ")
    try:
        name, end = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        name, end = None, 0
    if not isinstance(name, str):
        raise UnreadableState(f"{line.strip()[:60]!r} does not belong into its last lines")
    return kind, name, rest[end:].split()


def _quoted(text: str) -> str:
    """As JSON, without what would end the comment."""
    return json.dumps(text, ensure_ascii=True).replace("-->", "--\\u003e").replace("--!", "--\\u0021")
