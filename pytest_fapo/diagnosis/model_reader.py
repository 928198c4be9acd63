"""The model behind `[tool.fapo] diagnoser`: reads batches of failing train cases that the rules are unsure
of. What it is shown is fenced, so that nothing in it can pass for an instruction.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from pathlib import Path, PurePosixPath
from typing import get_args

from pydantic import BaseModel, Field

from pytest_fapo.answers.model_client import CallContext, MalformedAnswer, ProviderFailed, StructuredClient
from pytest_fapo.answers.prompts import (
    PromptMarks,
    PromptTemplates,
    block_quote,
    fence_for,
    fenced,
    load_prompts,
    one_prompt_line,
    value_line,
)
from pytest_fapo.answers.sdk_clients import make_client
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.errors import CallStopped, ConfigError
from pytest_fapo.core.record import LEVELS, Category, Level
from pytest_fapo.core.settings import Settings
from pytest_fapo.core.text import one_line
from pytest_fapo.diagnosis.failure import FailureAttribution, Opinion
from pytest_fapo.diagnosis.trace_view import StepView


class ReaderSources:
    """Texts of the project's Python files.

    Args:
        root: the project's folder.
        settings: their step patterns and structure scope name the pipeline's modules.
        files: contents in place of those on the disk, by relative POSIX path.
    """

    def __init__(self, root: Path, settings: Settings, files: Mapping[str, bytes]) -> None:
        self._root = root
        self._settings = settings
        self._files = files

    def with_files(self, files: Mapping[str, bytes]) -> ReaderSources:
        """Return the same project with other contents of some files."""
        return ReaderSources(self._root, self._settings, {**self._files, **files})

    def pipeline(self) -> dict[str, str]:
        """Return the path to text of the modules that hold steps or editable functions."""
        found = {}
        for path in self._paths():
            text = self._text(path)
            if text is not None:
                found[path] = text
        return found

    def test(self, nodeid: str) -> str:
        """Return the source of the function that an item runs; empty where it cannot be found."""
        path, _, rest = nodeid.partition("::")
        name = rest.split("[", 1)[0].rpartition("::")[2]
        text = self._text(path)
        if text is None or not name:
            return ""
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            return ""
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                return ast.get_source_segment(text, node) or ""
        return ""

    def _paths(self) -> Iterable[str]:
        wanted: dict[str, None] = {}
        for pattern in self._settings.steps:
            module = pattern.partition(":")[0].replace(".", "/")
            for head in ("", "src/"):
                wanted[f"{head}{module}.py"] = None
                wanted[f"{head}{module}/__init__.py"] = None
        for entry in self._settings.scope.structure:
            pattern = entry.partition("::")[0].strip()
            if "*" not in pattern:
                wanted[pattern] = None
                continue
            try:
                matches = sorted(self._root.glob(pattern))
            except (ValueError, NotImplementedError):
                continue
            wanted |= dict.fromkeys(path.relative_to(self._root).as_posix() for path in matches)
        return wanted

    def _text(self, path: str) -> str | None:
        if ".." in PurePosixPath(path).parts:
            return None
        if path in self._files:
            return self._files[path].decode("utf-8", errors="replace")
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None


_SOURCE_SHARE, _TEST_CHARS = 0.4, 2_000

_MOST_STEPS = 30


def render_sources(texts: Mapping[str, str], limit: int, redact: Callable[[str], str]) -> str:
    """Return the modules, each between fence lines; together about `_SOURCE_SHARE` of `limit` characters."""
    if not texts:
        return "(not shown)"
    room = int(limit * _SOURCE_SHARE) // len(texts)
    mark = fence_for(list(texts.values()))
    return redact("\n\n".join(fenced(mark, path, _cut(text, room)) for path, text in texts.items()))


def render_tests(tests: Sequence[str], redact: Callable[[str], str]) -> str:
    """Return the test functions, each once."""
    shown = [text for text in dict.fromkeys(tests) if text]
    if not shown:
        return "(not shown)"
    mark = fence_for(shown)
    return redact("\n\n".join(fenced(mark, "test", _cut(text, _TEST_CHARS)) for text in shown))


def render_cases(cases: Sequence[FailureAttribution], limit: int, redact: Callable[[str], str]) -> str:
    """Return the cases, numbered from 1: inputs, expectation, explanation, and all steps in their order."""
    room = int(limit * (1 - _SOURCE_SHARE)) // max(1, len(cases))
    return redact("\n\n".join(_rendered_case(number, one, room) for number, one in enumerate(cases, start=1)))


def _rendered_case(number: int, one: FailureAttribution, room: int) -> str:
    failure = one.failure
    assert failure.view is not None
    steps = failure.view.steps[:_MOST_STEPS]
    each = max(120, room // (2 * len(steps) + 4))
    lines = [
        f"## Case {number}",
        f"inputs: {value_line(failure.case.inputs, 2 * each)}",
        f"expected: {value_line(failure.case.expected, each)}",
        "the test says:",
        block_quote(failure.item.explanation, 2 * each),
        f"output of the whole: {value_line(failure.view.trace.output, each)}",
    ]
    if failure.view.trace.error:
        lines.append(f"it ended in: {one_prompt_line(failure.view.trace.error, 300)}")
    for index, step in enumerate(steps, start=1):
        lines += _rendered_step(index, step, each)
    return "\n".join(lines)


def _rendered_step(index: int, step: StepView, room: int) -> list[str]:
    kind = "asks a model" if step.calls else "code"
    lines = [
        f"step {index}: {one_prompt_line(step.key, 120)} ({kind})",
        f"  given: {value_line(step.step.inputs, room)}",
        f"  gave: {value_line(step.output, room)}",
    ]
    if step.answer is not None and step.answer != step.output:
        lines.append(f"  the model said: {value_line(step.answer, room)}")
    if step.step.error:
        lines.append(f"  raised: {one_prompt_line(step.step.error, 200)}")
    return lines


def _cut(text: str, limit: int) -> str:
    text = text.rstrip()
    return text if len(text) <= limit else f"{text[:limit]}\n… ({len(text) - limit} more characters)"


CASES_PER_REQUEST = 6
"""Cases in one request."""

_PACKAGED = Path(__file__).parent / "prompts"

_PROMPT_FILES = {
    "system": PromptMarks(None),
    "read": PromptMarks(frozenset({"sources", "tests", "cases", "categories"}), frozenset({"cases"})),
    "repeat": PromptMarks(frozenset({"problem"}), frozenset({"problem"})),
}

_CATEGORIES: tuple[Category, ...] = tuple(
    category for category in get_args(Category) if category not in ("infrastructure", "mislabeled", "unknown")
)


class CaseReading(BaseModel):
    """A model's word on one case."""

    case: int
    step: str
    category: str
    level: str = ""
    confidence: float = 0.5
    evidence: str = ""


class Readings(BaseModel):
    """A model's answer on one batch."""

    readings: list[CaseReading] = Field(default_factory=list)


class LLMReader:
    """Asks a model about unsure cases. What it cannot answer is left out; nothing that a model or provider
    does makes a diagnosis fail.

    Args:
        client: the model.
        templates: the prompts.
        sources: of the pipeline and its tests.
        calls: context in which the model is called.
        chars: characters of sources and cases that one request shows.
        redact: takes out what must not leave the machine.
    """

    def __init__(
        self,
        client: StructuredClient,
        templates: PromptTemplates,
        sources: ReaderSources,
        *,
        calls: CallContext = nullcontext,
        chars: int = 24_000,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._client = client
        self._templates = templates
        self._sources = sources
        self._calls = calls
        self._chars = chars
        self._redact = redact
        self.problems: list[str] = []
        """The reasons why the model could not be asked or understood, one sentence each."""

    @property
    def name(self) -> str:
        """As in the setting `diagnoser`."""
        return self._client.name

    def with_files(self, files: Mapping[str, bytes]) -> LLMReader:
        """Return a reader for a tree in which these files are other than on the disk, by relative POSIX
        path.
        """
        changed = copy(self)
        changed._sources = self._sources.with_files(files)
        return changed

    def read(self, attributions: Sequence[FailureAttribution]) -> dict[str, Opinion]:
        """See `Reader.read`."""
        opinions: dict[str, Opinion] = {}
        train = [one for one in attributions if one.failure.case.split == "train"]
        for start in range(0, len(train), CASES_PER_REQUEST):
            batch = train[start : start + CASES_PER_REQUEST]
            try:
                opinions |= self._read(batch)
            except MalformedAnswer as error:
                self.problems.append(f"{self.name}: {error}")
            except (ProviderFailed, ConfigError, CallStopped) as error:
                self.problems.append(str(error))
                break  # the next request would fail alike
        return opinions

    def question(self, batch: Sequence[FailureAttribution]) -> str:
        """Return the text sent for these cases; equal cases give equal text, so that the cache can answer."""
        return self._templates.fill(
            "read",
            sources=render_sources(self._sources.pipeline(), self._chars, self._redact),
            tests=render_tests([self._sources.test(one.finding.nodeid) for one in batch], self._redact),
            cases=render_cases(batch, self._chars, self._redact),
            categories=", ".join(f"`{category}`" for category in _CATEGORIES),
        )

    def _read(self, batch: Sequence[FailureAttribution]) -> dict[str, Opinion]:
        repeat = self._templates.texts["repeat"].replace("{{problem}}", "{problem}")
        with self._calls():
            answer = self._client.complete(
                self._templates.texts["system"], self.question(batch), Readings, repeat=repeat
            )
        opinions = {}
        for reading in answer.readings:
            if 1 <= reading.case <= len(batch):
                opinion = _opinion(batch[reading.case - 1], reading)
                if opinion is not None:
                    opinions[opinion.nodeid] = opinion
        return opinions


def make_reader(settings: Settings, calls: CallContext, root: Path) -> LLMReader | None:
    """Return the reader that the settings ask for; None where they ask for none.

    Args:
        settings: of the project.
        calls: context in which the model is called.
        root: the project's folder, for its sources.

    Raises:
        ConfigError: the model has no key, or a file of `optimizer_prompts`/diagnose cannot be used.
    """
    spec = settings.model_for("diagnoser")
    if spec is None:
        return None
    client = make_client(spec, settings)
    client.check()
    folder = root / settings.optimizer_prompts / "diagnose" if settings.optimizer_prompts else None
    return LLMReader(
        client,
        load_prompts(_PACKAGED, _PROMPT_FILES, folder if folder is not None and folder.is_dir() else None),
        ReaderSources(root, settings, {}),
        calls=calls,
        chars=client.settings.evidence_chars,
        redact=Redactor.of(settings),
    )


def _opinion(one: FailureAttribution, reading: CaseReading) -> Opinion | None:
    """Return a usable opinion: of a step that ran, in a category that there is."""
    assert one.failure.view is not None
    known = {step.key.lower(): step.key for step in one.failure.view.steps}
    step = known.get(reading.step.strip().strip("`").removesuffix("()").lower())
    if step is None:
        return None
    category: Category = next((each for each in _CATEGORIES if each == reading.category), "content")
    level: Level | None = next((each for each in LEVELS if each == reading.level), None)
    return Opinion(
        nodeid=one.finding.nodeid,
        step=step,
        category=category,
        level=level,
        confidence=min(1.0, max(0.0, reading.confidence)),
        evidence=one_line(reading.evidence, most=400),
    )
