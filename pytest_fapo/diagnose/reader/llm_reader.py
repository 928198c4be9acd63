"""The reader behind `[tool.fapo] diagnoser`: batches of failing train cases, one request each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, Field

from pytest_fapo.config import Settings
from pytest_fapo.diagnose.attribution import Attribution, Opinion
from pytest_fapo.diagnose.reader.rendering import render_cases, render_sources, render_tests
from pytest_fapo.diagnose.reader.sources import Sources
from pytest_fapo.errors import CallStopped, ConfigError
from pytest_fapo.llm.clients import MalformedAnswer, ProviderFailed, StructuredClient, make_client
from pytest_fapo.llm.context import CallContext
from pytest_fapo.llm.prompt_files import Marks, Templates, load_prompts
from pytest_fapo.models import LEVELS, Category, Level
from pytest_fapo.trace import Redactor

BATCH = 6
"""Cases in one request."""
_PACKAGED = Path(__file__).parent.parent / "prompts"
_FILES = {
    "system": Marks(None),
    "read": Marks(frozenset({"sources", "tests", "cases", "categories"}), frozenset({"cases"})),
    "repeat": Marks(frozenset({"problem"}), frozenset({"problem"})),
}
_CATEGORIES: tuple[Category, ...] = tuple(
    category for category in get_args(Category) if category not in ("infrastructure", "unknown")
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
        templates: Templates,
        sources: Sources,
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
        """Why the model could not be asked or understood, a sentence each."""

    @property
    def name(self) -> str:
        """As in the setting `diagnoser`."""
        return self._client.name

    def with_files(self, files: Mapping[str, bytes]) -> LLMReader:
        """A reader for a tree in which these files are other than on the disk, by relative POSIX path."""
        changed = copy(self)
        changed._sources = self._sources.with_files(files)
        return changed

    def read(self, attributions: Sequence[Attribution]) -> dict[str, Opinion]:
        """See `Reader.read`."""
        found: dict[str, Opinion] = {}
        train = [one for one in attributions if one.failure.case.split == "train"]
        for start in range(0, len(train), BATCH):
            batch = train[start : start + BATCH]
            try:
                found |= self._read(batch)
            except MalformedAnswer as error:
                self.problems.append(f"{self.name}: {error}")
            except (ProviderFailed, ConfigError, CallStopped) as error:
                self.problems.append(str(error))
                break  # the next request would fail alike
        return found

    def question(self, batch: Sequence[Attribution]) -> str:
        """The text sent for these cases; equal cases give equal text, so that the cache can answer."""
        return self._templates.fill(
            "read",
            sources=render_sources(self._sources.pipeline(), self._chars, self._redact),
            tests=render_tests([self._sources.test(one.finding.nodeid) for one in batch], self._redact),
            cases=render_cases(batch, self._chars, self._redact),
            categories=", ".join(f"`{category}`" for category in _CATEGORIES),
        )

    def _read(self, batch: Sequence[Attribution]) -> dict[str, Opinion]:
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
    """The reader that the settings ask for; None where they ask for none.

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
        load_prompts(_PACKAGED, _FILES, folder if folder is not None and folder.is_dir() else None),
        Sources(root, settings, {}),
        calls=calls,
        chars=client.settings.evidence_chars,
        redact=Redactor.of(settings),
    )


def _opinion(one: Attribution, reading: CaseReading) -> Opinion | None:
    """A usable opinion: of a step that ran, in a category that there is."""
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
        evidence=" ".join(reading.evidence.split())[:400],
    )
