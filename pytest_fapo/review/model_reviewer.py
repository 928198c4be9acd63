"""A model that reviews candidates after the static checks; it knows nothing of how they were made.

It is shown the change and its texts, fenced, and nothing of any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from pytest_fapo.answers.model_client import CallContext, MalformedAnswer, ProviderFailed, StructuredClient
from pytest_fapo.answers.prompts import (
    PromptMarks,
    PromptTemplates,
    fence_for,
    fenced,
    load_prompts,
    one_prompt_line,
    shorten_middle,
)
from pytest_fapo.answers.sdk_clients import make_client
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.candidate import Artifact, Candidate, Edit, Review, ReviewProblem
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.core.errors import CacheMiss
from pytest_fapo.core.settings import Settings
from pytest_fapo.core.text import line_diff, one_line

POINTS: dict[int, str] = {
    1: "scorer",
    2: "leakage",
    3: "placeholders",
    4: "isolation",
    5: "hints",
    6: "examples",
    7: "single-concern",
    8: "state",
    9: "contract",
    10: "imports",
    11: "conventions",
    12: "scope",
}
"""The list that the reviewer goes through, by number."""


class Objection(BaseModel):
    """One point of the list that the change violates."""

    point: int = Field(description="number of the point, 1 to 12")
    severity: Literal["block", "warn"]
    address: str = Field(default="", description="address concerned; empty for the change as a whole")
    message: str = Field(description="what is wrong, where, and what would pass instead")

    @field_validator("severity", mode="before")
    @classmethod
    def _in_other_words(cls, severity: Any) -> Any:
        word = str(severity).strip().lower()
        known = {
            "blocker": "block",
            "blocking": "block",
            "error": "block",
            "fail": "block",
            "warning": "warn",
        }
        return known.get(word, word)


class ReviewerOpinion(BaseModel):
    """All objections; none where the change may be tried."""

    problems: list[Objection]

    @field_validator("problems", mode="before")
    @classmethod
    def _none_is_empty(cls, problems: Any) -> Any:
        return [] if problems is None else problems


_MOST_PER_TEXT = 24_000


def render_cluster(cluster: Cluster | None) -> str:
    """Return the kind of failure, without the cases: label, step, category."""
    if cluster is None:
        return "(nothing)"
    field = f", in the field {one_prompt_line(cluster.field, 80)!r}" if cluster.field else ""
    step = f" in step {one_prompt_line(cluster.step, 80)!r}" if cluster.step else ""
    return f"Kind of failure: {cluster.category}{step}{field}, {len(cluster.case_ids)} training cases."


def render_hypothesis(candidate: Candidate) -> str:
    """Return the author's reason, and what the settings allow them."""
    mark = fence_for([candidate.hypothesis])
    lines = [fenced(mark, "hypothesis", candidate.hypothesis.strip() or "(none)")]
    lines.append(f"Level: {candidate.level}; technique: {one_prompt_line(candidate.technique, 80)}.")
    if candidate.demonstrations:
        count = len(candidate.demonstrations)
        lines.append(f"The settings allow it to quote {count} declared train cases as examples.")
    return "\n".join(lines)


def render_diff(edits: Sequence[Edit], kinds: Mapping[str, Artifact]) -> str:
    """One unified diff per edit."""
    mark = fence_for([text for edit in edits for text in (edit.before, edit.after)])
    parts = []
    for edit in edits:
        artifact = kinds.get(edit.address)
        kind: str = "new" if artifact is None else artifact.kind
        if artifact is not None and artifact.domain is not None:
            kind += f", may be {artifact.domain}"
        diff = line_diff(edit.before.splitlines(), edit.after.splitlines())
        body = shorten_middle("\n".join(diff), _MOST_PER_TEXT)
        parts.append(fenced(mark, f"{one_prompt_line(edit.address)} ({kind})", body))
    return "\n\n".join(parts)


def render_texts(edits: Sequence[Edit]) -> str:
    """Return each edited text before and after."""
    mark = fence_for([text for edit in edits for text in (edit.before, edit.after)])
    parts = []
    for edit in edits:
        address = one_prompt_line(edit.address)
        if edit.before:
            parts.append(fenced(mark, f"{address} before", shorten_middle(edit.before, _MOST_PER_TEXT)))
        parts.append(fenced(mark, f"{address} after", shorten_middle(edit.after, _MOST_PER_TEXT)))
    return "\n\n".join(parts)


_PACKAGED = Path(__file__).parent / "prompts"

_FILES = {
    "system": PromptMarks(None),
    "review": PromptMarks(frozenset({"cluster", "hypothesis", "diff", "texts"}), frozenset({"diff"})),
    "repeat": PromptMarks(frozenset({"problem"}), frozenset({"problem"})),
}

_MESSAGE_CHARS = 400

_MOST_PROBLEMS = 12


class LLMReviewer:
    """Asks a model for its objections, each candidate in a conversation of its own.

    Args:
        client: the model.
        calls: context in which the model is called (capture, cache, budget).
        templates: the prompts; default: the packaged ones.
        redact: takes out of all texts what must not leave the machine.
    """

    def __init__(
        self,
        client: StructuredClient,
        calls: CallContext = nullcontext,
        *,
        templates: PromptTemplates | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._client = client
        self._calls = calls
        self._templates = templates or load_prompts(_PACKAGED, _FILES)
        self._redact = redact

    @property
    def name(self) -> str:
        """As in the setting `reviewer`."""
        return self._client.name

    def check(self) -> None:
        """Find out without a request whether the model can be asked.

        Raises:
            ConfigError: it cannot; the message names what to set.
        """
        self._client.check()

    def review(
        self, candidate: Candidate, *, artifacts: Sequence[Artifact] = (), cluster: Cluster | None = None
    ) -> Review:
        """Return the model's objections; one warning instead where it could not be asked.

        Args:
            candidate: one that the static checks let through.
            artifacts: those of the parent, for the kinds and domains of what is edited.
            cluster: what the candidate is meant to fix; its cases are not shown.

        Raises:
            BudgetExceeded: the request would go past a budget.
        """
        try:
            with self._calls():
                opinion = self._client.complete(
                    self._templates.fill("system"),
                    self.question(candidate, artifacts=artifacts, cluster=cluster),
                    ReviewerOpinion,
                    repeat=self._templates.fill("repeat", problem="{problem}"),
                )
        except (MalformedAnswer, ProviderFailed, CacheMiss) as error:
            message = f"{self.name} did not review this candidate: {error}"
            return Review(problems=[ReviewProblem(check="reviewer", message=message, blocks=False)])
        known = {edit.address for edit in candidate.edits}
        return Review(problems=[_problem(each, known) for each in opinion.problems[:_MOST_PROBLEMS]])

    def question(
        self, candidate: Candidate, *, artifacts: Sequence[Artifact] = (), cluster: Cluster | None = None
    ) -> str:
        """Return the text sent for this candidate: always the same, so that the cache can answer."""
        edits = sorted(candidate.edits, key=lambda edit: edit.address)
        return self._redact(
            self._templates.fill(
                "review",
                cluster=render_cluster(cluster),
                hypothesis=render_hypothesis(candidate),
                diff=render_diff(edits, {artifact.address: artifact for artifact in artifacts}),
                texts=render_texts(edits),
            )
        )


def make_reviewer(
    settings: Settings, calls: CallContext = nullcontext, root: Path | None = None
) -> LLMReviewer | None:
    """Return the reviewer that the settings name; None where no model is to review.

    Args:
        settings: `[tool.fapo]`.
        calls: context in which the model is called.
        root: folder that the setting `optimizer_prompts` is relative to; files in `review` there override.

    Raises:
        ConfigError: the model has no key, or a file of `optimizer_prompts`/review cannot be used.
    """
    name = settings.model_for("reviewer")
    if name is None:
        return None
    folder = (root or Path()) / settings.optimizer_prompts / "review" if settings.optimizer_prompts else None
    templates = load_prompts(_PACKAGED, _FILES, folder if folder is not None and folder.is_dir() else None)
    client = make_client(name, settings)
    client.check()
    return LLMReviewer(client, calls, templates=templates, redact=Redactor.of(settings))


def _problem(objection: Objection, known: set[str]) -> ReviewProblem:
    message = one_line(objection.message, most=_MESSAGE_CHARS)
    address = objection.address.strip().strip("`'\"")
    point = POINTS.get(objection.point, "other")
    return ReviewProblem(
        check=f"reviewer: {point}",
        message=message or f"point {objection.point} ({point})",
        address=address if address in known else "",
        blocks=objection.severity == "block",
    )
