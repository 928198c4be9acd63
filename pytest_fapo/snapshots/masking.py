"""What does not belong into a file that is compared: a model's own words in later prompts, today's date."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pytest_fapo.models import LLMCall
from pytest_fapo.snapshots.messages import Part
from pytest_fapo.snapshots.templates import placeholder_values

_LONG = 20
"""Characters; an answer that is shorter stands in other places too by chance."""
_VOLATILE = (
    ("id", re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")),
    (
        "time",
        re.compile(
            r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|\b ?[+-]\d\d:?\d\d|\b)"
            r"|\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"
        ),
    ),
    (
        "date",
        re.compile(
            r"\b(?:19|20)\d\d-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d\b"
            r"|\b(?:\d{1,2}(?:st|nd|rd|th)? )?(?:January|February|March|April|May|June|July|August|September"
            r"|October|November|December)(?: \d{1,2}(?:st|nd|rd|th)?)?,? (?:19|20)\d\d\b"
        ),
    ),
)


class Answer:
    """What a step's model said, by which later prompts quote it.

    Args:
        step: the step's key; empty for a call outside of all steps.
        call: with its answer.
        question: what was asked: words that stand in it are not the model's own.
    """

    def __init__(self, step: str, call: LLMCall, question: Sequence[Part]) -> None:
        self.mark = f"⟨answer of {step}⟩" if step else "⟨an earlier answer⟩"
        text = (call.answer or "").strip()
        asked = "\n".join(part.text for part in question)
        self.whole = text
        self.own = [piece for piece in (text, *_texts(text)) if len(piece) >= _LONG and piece not in asked]


class Mask:
    """Replaces what differs from run to run, the same way in every run.

    Args:
        known: texts that are the project's own (the case's inputs, the prompts); dates and ids in them stay.
        templates: prompts of the project; the values of their placeholders are told apart.
        root: folder of the project.
    """

    def __init__(self, known: Iterable[str], templates: Sequence[str], root: Path | None = None) -> None:
        self._known = "\n".join(known)
        self._templates = templates
        self._folders = [
            (name, re.compile(rf"(?<![\w./-]){re.escape(str(folder))}(?![\w.-]){rest}"))
            for name, folder, rest in (
                ("project", root, ""),
                ("temporary file", Path(tempfile.gettempdir()), r"(?:[\w./-]*[\w/-])?"),
                ("home", Path("~").expanduser() if "HOME" in os.environ else None, ""),
            )
            if folder is not None and len(folder.parts) > 1
        ]

    def __call__(self, text: str, answers: Sequence[Answer] = ()) -> str:
        """`text` with marks in place of what an earlier answer or the moment of the run put there.

        Args:
            answers: of the calls before this one, in order.
        """
        text = self._quoted_answers(text, answers)
        for name, pattern in (*self._folders, *_VOLATILE):
            text = pattern.sub(lambda found, name=name: self._unless_known(found[0], name), text)  # type: ignore[misc]
        return text

    def _quoted_answers(self, text: str, answers: Sequence[Answer]) -> str:
        for template in self._templates:
            values = placeholder_values(template, text) or ()
            for span in sorted(values, reverse=True):
                value = text[span.start : span.end].strip()
                mark = next(
                    (answer.mark for answer in reversed(answers) if answer.whole == value != ""), None
                )
                if mark is not None:
                    text = (
                        text[: span.start]
                        + text[span.start : span.end].replace(value, mark)
                        + text[span.end :]
                    )
        pieces = [(piece, answer.mark) for answer in answers for piece in answer.own]
        for piece, mark in sorted(pieces, key=lambda pair: -len(pair[0])):
            text = text.replace(piece, mark)
        return text

    def _unless_known(self, value: str, name: str) -> str:
        return value if value in self._known else f"⟨{name}⟩"


def _texts(answer: str) -> list[str]:
    """The texts in an answer that is JSON."""
    if not answer.startswith(("{", "[")):
        return []
    try:
        return list(_leaves(json.loads(answer)))
    except (ValueError, RecursionError):
        return []


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
