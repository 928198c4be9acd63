"""A model that reads a candidate which the static checks let through; it knows nothing of how it was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from pytest_fapo.config import Settings
from pytest_fapo.errors import CacheMiss
from pytest_fapo.llm import CallContext
from pytest_fapo.llm.clients import MalformedAnswer, ProviderFailed, StructuredClient, make_client
from pytest_fapo.llm.prompt_files import Marks, Templates, load_prompts
from pytest_fapo.models import Artifact, Candidate, Cluster, Review, ReviewProblem
from pytest_fapo.review.reviewer import rendering
from pytest_fapo.review.reviewer.schema import POINTS, Objection, Opinion
from pytest_fapo.trace import Redactor

_PACKAGED = Path(__file__).parent.parent / "prompts"
_FILES = {
    "system": Marks(None),
    "review": Marks(frozenset({"cluster", "hypothesis", "diff", "texts"}), frozenset({"diff"})),
    "repeat": Marks(frozenset({"problem"}), frozenset({"problem"})),
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
        templates: Templates | None = None,
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
        """The model's objections; one warning instead where it could not be asked.

        Args:
            candidate: one that the static checks let through.
            artifacts: those of the parent, for the kinds and domains of what is edited.
            cluster: what the candidate is meant to mend; its cases are not shown.

        Raises:
            BudgetExceeded: the request would go past a budget.
        """
        try:
            with self._calls():
                opinion = self._client.complete(
                    self._templates.fill("system"),
                    self.question(candidate, artifacts=artifacts, cluster=cluster),
                    Opinion,
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
        """The text sent for this candidate: always the same, so that the cache can answer."""
        edits = sorted(candidate.edits, key=lambda edit: edit.address)
        return self._redact(
            self._templates.fill(
                "review",
                cluster=rendering.render_cluster(cluster),
                hypothesis=rendering.render_hypothesis(candidate),
                diff=rendering.render_diff(edits, {artifact.address: artifact for artifact in artifacts}),
                texts=rendering.render_texts(edits),
            )
        )


def make_reviewer(
    settings: Settings, calls: CallContext = nullcontext, root: Path | None = None
) -> LLMReviewer | None:
    """The reviewer that the settings name; None where no model is to review.

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
    words = " ".join(objection.message.split())
    if len(words) > _MESSAGE_CHARS:
        words = words[: _MESSAGE_CHARS - 1] + "…"
    address = objection.address.strip().strip("`'\"")
    point = POINTS.get(objection.point, "other")
    return ReviewProblem(
        check=f"reviewer: {point}",
        message=words or f"point {objection.point} ({point})",
        address=address if address in known else "",
        blocks=objection.severity == "block",
    )
