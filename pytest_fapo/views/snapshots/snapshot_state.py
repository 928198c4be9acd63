"""The comment at the end of a snapshot: the state it was made from, which shows whether it is stale."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FORMAT = 1
"""Version of the file's format."""

_HEAD = "<!-- pytest-fapo snapshot, format "

_COMMENT = re.compile(rf"{_HEAD}(\d+)\n(.*\n)?-->\s*", re.S)

_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


@dataclass(frozen=True)
class RecordedCall:
    """One LLM call of a step or of a test: digests of what was asked and of what was answered."""

    step: str
    question: str
    answer: str


@dataclass(frozen=True)
class SnapshotState:
    """The state that a snapshot was made from."""

    pipeline: str = ""
    sample: str = ""
    """Id of the case whose prompts are shown; empty where there is none."""
    steps: str = ""
    """Digest of which steps the sample case went through."""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """Address to digest of the prompts and parameters."""
    calls: Sequence[RecordedCall] = ()
    judges: Sequence[RecordedCall] = ()
    """Calls that tests made themselves."""


class UnreadableState(ValueError):
    """The comment is not there or not as this version writes it; the message says which."""


def state_comment(state: SnapshotState) -> str:
    """Return the comment, one thing a line, so that two branches that changed two prompts merge."""
    lines = [f"{_HEAD}{FORMAT}", f"pipeline {_as_json(state.pipeline)}"]
    if state.sample:
        lines.append(f"sample {_as_json(state.sample)} {state.steps}")
    lines += [f"artifact {_as_json(address)} {digest}" for address, digest in sorted(state.artifacts.items())]
    lines += [f"call {_as_json(call.step)} {call.question} {call.answer}" for call in state.calls]
    lines += [f"judge {_as_json(call.step)} {call.question} {call.answer}" for call in state.judges]
    return "\n".join([*lines, "-->", ""])


def read_state(text: str) -> SnapshotState:
    """Read the state in the comment of a snapshot.

    Args:
        text: of the file, its lines ended by `\\n`.

    Raises:
        UnreadableState: there is none, or it was written by another version.
    """
    found = _comment(text)
    if found is None:
        raise UnreadableState("its last lines are not those of a snapshot")
    if int(found[1]) != FORMAT:
        raise UnreadableState(f"it has format {found[1]}, and this version reads {FORMAT}")
    pipeline, sample, steps = "", "", ""
    artifacts: dict[str, str] = {}
    calls: list[RecordedCall] = []
    judges: list[RecordedCall] = []
    for line in (found[2] or "").splitlines():
        match _line(line):
            case ("pipeline", name):
                pipeline = name
            case ("sample", name, digest):
                sample, steps = name, digest
            case ("artifact", name, digest):
                artifacts[name] = digest
            case ("call", name, question, answer):
                calls.append(RecordedCall(name, question, answer))
            case ("judge", name, question, answer):
                judges.append(RecordedCall(name, question, answer))
            case _:
                raise UnreadableState(f"{line.strip()[:60]!r} does not belong into its last lines")
    return SnapshotState(pipeline, sample, steps, artifacts, calls, judges)


def is_snapshot(text: str) -> bool:
    """True if the text ends as a snapshot of any version does."""
    return _comment(text) is not None


def _comment(text: str) -> re.Match[str] | None:
    # the last one: a prompt may quote another
    return _COMMENT.fullmatch(text, max(0, text.rfind(f"\n{_HEAD}") + 1))


def _line(line: str) -> list[str]:
    """Return the kind of a line, the name in it and its digests; empty for none of ours."""
    if line.startswith(_CONFLICT):
        raise UnreadableState("it holds the marks of a merge conflict")
    kind, _, rest = line.partition(" ")
    try:
        name, end = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        return []
    return [kind, name, *rest[end:].split()] if isinstance(name, str) else []


def _as_json(text: str) -> str:
    """As JSON, without what would end the comment."""
    return json.dumps(text, ensure_ascii=True).replace("->", "-\\u003e").replace("-!", "-\\u0021")
