"""The operator for deterministic post-processing: what code can put right needs no model."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from pytest_fapo.core.candidate import Edit
from pytest_fapo.propose.operators.operator import FunctionDraft, Operator
from pytest_fapo.propose.operators.project_functions import OperatorError, fill

Way = Literal[
    "fences",
    "json",
    "quotes",
    "emphasis",
    "prefix",
    "punctuation",
    "first-line",
    "last-line",
    "lower",
    "upper",
    "number",
]

_CODE: dict[str, tuple[str, ...]] = {
    "fences": (
        'fenced = re.search(r"```[\\w-]*[ \\t]*\\n(.*?)```", text, re.DOTALL)',
        "if fenced:",
        "    text = fenced.group(1).strip()",
    ),
    "json": (
        'opening, closing = re.search(r"[{\\[]", text), max(text.rfind("}"), text.rfind("]"))',
        "if opening and opening.start() < closing:",
        "    text = text[opening.start() : closing + 1]",
    ),
    "quotes": ('text = text.strip("\\"\'`“”‘’«» \\n")',),
    "emphasis": ('text = re.sub(r"[*`_]{1,3}(\\S(?:.*?\\S)?)[*`_]{1,3}", r"\\1", text)',),
    "prefix": ('text = re.sub(r"^[A-Za-z][\\w ]{0,30}:\\s+", "", text)',),
    "punctuation": ('text = text.strip().rstrip(".,;:!?")',),
    "first-line": ("text = next((line.strip() for line in text.splitlines() if line.strip()), text)",),
    "last-line": (
        "text = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), text)",
    ),
    "lower": ("text = text.lower()",),
    "upper": ("text = text.upper()",),
    "number": (
        'number = re.search(r"-?\\d[\\d,]*(?:\\.\\d+)?", text)',
        "if number:",
        '    text = number.group().replace(",", "")',
    ),
}


class PostProcess(Operator):
    """Put the form of an answer right by code."""

    operator: Literal["post-process"] = "post-process"
    at: Literal["answer", "result", "input"] = Field(
        default="answer",
        description="Where: at the model's answer as soon as it is read, at what the function gives back, or "
        "at the text that it is given.",
    )
    ways: list[Way] = Field(
        default_factory=list,
        description="What is done, in this order: take the text out of a code fence, cut to the JSON, strip "
        "quotation marks, Markdown emphasis, a leading `Label:`, closing punctuation, keep the first or last "
        "line, change the case, keep the first number (without thousands separators).",
    )
    pattern: str = Field(
        default="",
        description="Regular expression whose first group (or whole match) is kept where it matches.",
    )
    choices: list[str] = Field(
        default_factory=list,
        description="Allowed answers: the one that is named, else the nearest spelling, is kept.",
    )
    field: str = Field(
        default="", description="The field concerned, where the result is a mapping; may be empty."
    )

    purpose: ClassVar[str] = "The answer is right but its form is not, in a way that code can put right."
    paper: ClassVar[str] = (
        "Output parsing as in Chain-of-Thought evaluation, Kojima et al. 2022, arXiv:2205.11916"
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"the regular expression {pattern!r} cannot be read: {error}") from None
        return pattern

    def mark(self) -> str:
        """Post-processing of different places or fields may stand side by side."""
        return f"# {self.operator} ({self.at}{f', {self.field}' if self.field else ''}):"

    def build(self, draft: FunctionDraft) -> list[Edit]:
        if not self.ways and not self.pattern and not self.choices:
            raise OperatorError("post-processing needs a way, a pattern or choices")
        cleaned = draft.name("cleaned", "put_right")
        draft.helper(self._helper(draft, cleaned))
        if self.at == "input":
            text = draft.target.text()
            return draft.around("return <<once>>", once=draft.once(**{text: f"{cleaned}({text})"}))
        return self._at_answer(draft, cleaned) if self.at == "answer" else self._at_result(draft, cleaned)

    def cleaner(self) -> Callable[[str], str]:
        """The same code as a function, to try it on recorded answers."""
        lines = self._lines("cleaned", typed=False)
        space: dict[str, Any] = {"re": re, "difflib": difflib}
        exec("\n".join(lines), space)  # our own code; of the choices only quoted literals get into it
        cleaned: Callable[[str], str] = space["cleaned"]
        return cleaned

    def _at_answer(self, draft: FunctionDraft, cleaned: str) -> list[Edit]:
        answers = draft.answers()
        if not answers:
            raise OperatorError(f"it was not found where {draft.target.name} reads the model's answer")
        return draft.inside([(node, f"{cleaned}({{}})") for node in answers])

    def _at_result(self, draft: FunctionDraft, cleaned: str) -> list[Edit]:
        form = draft.target.form
        result = draft.name("result", "outcome")
        if form == "mapping":
            if not self.field:
                raise OperatorError(f"{draft.target.name} gives a mapping; name the field to put right")
            key = json.dumps(self.field, ensure_ascii=False)
            return draft.around(
                """
                <<result>> = <<once>>
                if isinstance(<<result>>.get(<<key>>), str):
                    <<result>> = {**<<result>>, <<key>>: <<cleaned>>(<<result>>[<<key>>])}
                return <<result>>
                """,
                result=result, once=draft.once(), key=key, cleaned=cleaned,
            )  # fmt: skip
        if form != "text":
            raise OperatorError(f"{draft.target.name} gives no text")
        return draft.around("return <<cleaned>>(<<once>>)", cleaned=cleaned, once=draft.once())

    def _helper(self, draft: FunctionDraft, cleaned: str) -> list[str]:
        lines = self._lines(cleaned, typed=draft.typed)
        for module in ("difflib", "re"):
            if any(f"{module}." in line for line in lines):
                draft.need(module)
        return lines

    def _lines(self, name: str, *, typed: bool) -> list[str]:
        head = f"def {name}(text: str) -> str:" if typed else f"def {name}(text):"
        body = [
            f"{self.mark()} the form is put right by code (after arXiv:2205.11916).",
            'text = (text or "").strip()',
        ]
        for way in self.ways:
            body += _CODE[way]
        if self.pattern:
            body += fill(
                """
                matched = re.search(<<pattern>>, text)
                if matched:
                    text = matched.group(<<group>>).strip()
                """,
                pattern=_raw(self.pattern),
                group="1" if re.compile(self.pattern).groups else "0",
            )
        if self.choices:
            body += fill(
                _NEAREST, choices=", ".join(json.dumps(each, ensure_ascii=False) for each in self.choices)
            )
        else:
            body.append("return text")
        return [head, *(f"    {line}" for line in body)]


_NEAREST = """
choices = [<<choices>>]
named = [
    (found.start(), choice)
    for choice in choices
    for found in re.finditer(rf"(?<!\\w){re.escape(choice)}(?!\\w)", text, re.IGNORECASE)
]
if named:
    return max(named)[1]
spelled = {choice.lower(): choice for choice in choices}
near = difflib.get_close_matches(text.lower(), list(spelled), n=1)
return spelled[near[0]] if near else text
"""


def _raw(pattern: str) -> str:
    """A pattern as a literal, raw where that works."""
    if '"' not in pattern and not pattern.endswith("\\") and "\n" not in pattern:
        return f'r"{pattern}"'
    return repr(pattern)
