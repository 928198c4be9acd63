"""The proposer that asks a language model for new texts, with the prompts that it sends.

The prompts are the files in `propose/prompts`; a project overrides them by the setting `optimizer_prompts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from pytest_fapo.answers.model_client import (
    Answer,
    CallContext,
    MalformedAnswer,
    ProviderFailed,
    StructuredClient,
)
from pytest_fapo.answers.prompts import PromptMarks, PromptTemplates, load_prompts, one_prompt_line
from pytest_fapo.answers.sdk_clients import make_client
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.candidate import Candidate, Review
from pytest_fapo.core.errors import CacheMiss
from pytest_fapo.core.evidence import Evidence, Repair
from pytest_fapo.core.record import Level
from pytest_fapo.core.settings import Settings
from pytest_fapo.propose.model import evidence_text
from pytest_fapo.propose.model.model_proposal import (
    DEMONSTRATIONS,
    Proposal,
    Proposals,
    StructureProposal,
    StructureProposals,
    build_candidate,
    first_sentence,
    form,
)
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.proposer import ProposalFailed, ProposerDefaults

_PACKAGED = Path(__file__).parent.parent / "prompts"

_NO_MARKS: frozenset[str] = frozenset()

_PROMPT_FILES = {
    "system": PromptMarks(None),
    "propose": PromptMarks(
        frozenset({"cluster", "artifacts", "cases", "memory", "task", "max_chars"}),
        frozenset({"artifacts", "cases", "task"}),
    ),
    "revise": PromptMarks(frozenset({"proposal", "problems"}), frozenset({"problems"})),
    "repair": PromptMarks(frozenset({"proposal", "broken"}), frozenset({"broken"})),
    "repeat": PromptMarks(frozenset({"problem"}), frozenset({"problem"})),
    "params": PromptMarks(_NO_MARKS),
    "structure": PromptMarks(_NO_MARKS),
    "together": PromptMarks(frozenset({"steps"})),
    "examples_made": PromptMarks(frozenset({"most"})),
    "examples_train": PromptMarks(frozenset({"most"})),
}


def load_templates(folder: Path | None = None) -> PromptTemplates:
    """Return the packaged prompts, those in `folder` first.

    Raises:
        ConfigError: `folder` is missing, holds an unknown `.md` file, or a file lacks or misspells a mark.
    """
    return load_prompts(_PACKAGED, _PROMPT_FILES, folder)


_WORDINGS = 2
"""So many attempts by wording without gain on one step, and examples are asked for."""


def make_task(evidence: Evidence, templates: PromptTemplates, candidates: int) -> str:
    """Return the task in words.

    Args:
        evidence: its level says what may be edited, its memory what brought nothing.
        templates: the files `params`, `structure`, `together`, `demonstrations` say how.
        candidates: how many proposals are asked for.
    """
    structure = evidence.level == "structure"
    parts = []
    if evidence.escalation:
        parts.append(f"Why more than texts may be edited now: {one_prompt_line(evidence.escalation)}.")
    if any(artifact.kind == "param" for artifact in evidence.artifacts):
        parts.append(templates.fill("params"))
    if structure:
        parts.append(templates.fill("structure"))
    if evidence.together:
        steps = ", ".join(one_prompt_line(cluster.step) for cluster in [evidence.cluster, *evidence.together])
        parts.append(templates.fill("together", steps=steps))
    parts += _examples(evidence, templates)
    shape = form(structure=structure, candidates=candidates)
    if candidates == 1:
        parts.append(f"Give one proposal, as JSON of this form:\n\n{shape}")
    else:
        parts.append(
            f"Give {candidates} proposals that differ in their idea, best first, as JSON of this form:"
            f"\n\n{shape}"
        )
    return "\n\n".join(parts)


def asks_for_examples(evidence: Evidence) -> bool:
    """True if wording has brought nothing on this step, and examples were not tried."""
    step = evidence.cluster.step
    tried = [
        attempt
        for attempt in evidence.memory
        if attempt.candidate.edits
        and attempt.candidate.step == step
        and attempt.candidate.level == "prompt"
        and attempt.verdict.stage != "review"
    ]
    wordings = [attempt for attempt in tried if DEMONSTRATIONS not in attempt.candidate.technique]
    vain = [attempt for attempt in wordings if not (attempt.verdict.accepted or attempt.verdict.kept)]
    return evidence.demonstrations != "off" and len(vain) >= _WORDINGS and len(wordings) == len(tried)


def _examples(evidence: Evidence, templates: PromptTemplates) -> list[str]:
    if evidence.demonstrations == "off":
        return ["Do not add examples to a text."]
    most = str(evidence.max_demonstrations)
    name = "examples_train" if evidence.demonstrations == "train" else "examples_made"
    parts = [templates.fill(name, most=most)]
    if asks_for_examples(evidence):
        parts.append(
            f"Wording has brought nothing on this step so far. Give a proposal of the technique "
            f"`{DEMONSTRATIONS}` now."
        )
    return parts


class _NoEdit(ProposalFailed):
    """The model says that it has no edit."""


class LLMProposer(ProposerDefaults):
    """Asks for candidates, one request for each `propose`; call it again with a longer memory for more.

    Args:
        client: the model.
        templates: the prompts.
        calls: context in which the model is called.
        candidates: how many to ask for in one request.
        evidence_chars: characters of cases and of earlier attempts that one request shows.
        max_prompt_chars: the length that the model is told an edited text may have.
        redact: takes out of cases and attempts what must not leave the machine.
    """

    def __init__(
        self,
        client: StructuredClient,
        templates: PromptTemplates,
        *,
        calls: CallContext = nullcontext,
        candidates: int = 1,
        evidence_chars: int = 24_000,
        max_prompt_chars: int = 20_000,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._client = client
        self._templates = templates
        self._calls = calls
        self._candidates = candidates
        self._evidence_chars = evidence_chars
        self._max_prompt_chars = max_prompt_chars
        self._redact = redact

    @classmethod
    def from_settings(
        cls, spec: str, *, settings: Settings, root: Path, calls: CallContext = nullcontext
    ) -> LLMProposer:
        """Return the proposer that `openai:<model>` or `anthropic:<model>` names.

        Raises:
            ConfigError: a file of `optimizer_prompts` cannot be used.
        """
        client = make_client(spec, settings)
        folder = root / settings.optimizer_prompts if settings.optimizer_prompts is not None else None
        return cls(
            client,
            load_templates(folder),
            calls=calls,
            candidates=settings.optimizer_candidates,
            evidence_chars=client.settings.evidence_chars,
            max_prompt_chars=settings.max_prompt_chars,
            redact=Redactor.of(settings),
        )

    @property
    def name(self) -> str:
        """As in the setting `optimizer`."""
        return self._client.name

    def check(self) -> None:
        """See `Proposer.check`."""
        self._client.check()

    def propose(self, evidence: Evidence) -> Iterator[Candidate]:
        """See `Proposer.propose`."""
        made = self._candidates_for(self.question(evidence, candidates=self._candidates), evidence)
        fresh = {
            candidate.digest: candidate
            for candidate in made
            if not any(attempt.covers(candidate) for attempt in evidence.memory)
        }
        if not fresh:
            message = f"{self.name} proposed again what was tried before"
            raise ProposalFailed(message, proposer=self.name, repeated=True)
        yield from fresh.values()

    def revise(self, candidate: Candidate, review: Review, evidence: Evidence) -> Candidate | None:
        """See `Proposer.revise`."""
        objection = self._templates.fill(
            "revise",
            proposal=evidence_text.render_candidate(candidate),
            problems=evidence_text.render_problems(review, candidate),
        )
        return self._better(candidate, objection, evidence)

    def repair(self, repair: Repair, evidence: Evidence) -> Candidate | None:
        """See `ProposerDefaults.repair`."""
        broken = evidence_text.render_repair(repair, evidence, self._evidence_chars // 2)
        objection = self._templates.fill(
            "repair", proposal=evidence_text.render_candidate(repair.candidate), broken=self._redact(broken)
        )
        return self._better(repair.candidate, objection, evidence)

    def question(self, evidence: Evidence, *, candidates: int = 1) -> str:
        """Return the text sent for this evidence; equal evidence gives equal text, so that the cache can
        answer.
        """
        memory = self._redact(evidence_text.render_memory(evidence.memory, self._evidence_chars // 4))
        cases = self._redact(evidence_text.render_cases(evidence, self._evidence_chars - len(memory)))
        return self._templates.fill(
            "propose",
            cluster=self._redact(evidence_text.render_cluster(evidence)),
            artifacts=evidence_text.render_artifacts(evidence, self._evidence_chars),
            cases=cases,
            memory=memory,
            task=make_task(evidence, self._templates, candidates),
            max_chars=str(self._max_prompt_chars),
        )

    def _better(self, candidate: Candidate, objection: str, evidence: Evidence) -> Candidate | None:
        question = f"{self.question(evidence)}\n\n{objection}"
        try:
            better = self._candidates_for(question, evidence, most=1)[0]
        except _NoEdit:
            return None
        return None if better.edits_digest == candidate.edits_digest else better

    def _candidates_for(self, question: str, evidence: Evidence, most: int | None = None) -> list[Candidate]:
        """Return the candidates of one request; of a second one where no operator of the first fits."""
        made, problem = self._answered(question, evidence, most)
        if not made and problem:
            again = self._templates.fill("repeat", problem=problem)
            made, problem = self._answered(f"{question}\n\n{again}", evidence, most)
        if not made:
            raise ProposalFailed(f"{self.name}: {problem}", proposer=self.name)
        return made

    def _answered(self, question: str, evidence: Evidence, most: int | None) -> tuple[list[Candidate], str]:
        """Return the candidates made from the answer, and why the rest cannot be used."""
        proposals = self._proposals(question, evidence.level, most or self._candidates)
        given = [proposal for proposal in proposals if proposal.edits or proposal.applied]
        if not given:
            reason = first_sentence(proposals[0].hypothesis) or "no reason given"
            raise _NoEdit(f"{self.name} proposed no edit: {reason}", proposer=self.name)
        made, problems = [], []
        for proposal in given:
            try:
                made.append(build_candidate(proposal, evidence, self.name))
            except OperatorError as error:
                problems.append(f"the operator does not fit: {error}")
        return made, "; ".join(problems)

    def _proposals(self, question: str, level: Level, most: int) -> Sequence[Proposal]:
        if level == "structure":
            if most == 1:
                return [self._ask(question, StructureProposal)]
            return self._ask(question, StructureProposals).proposals[:most]
        if most == 1:
            return [self._ask(question, Proposal)]
        return self._ask(question, Proposals).proposals[:most]

    def _ask(self, question: str, schema: type[Answer]) -> Answer:
        repeat = self._templates.fill("repeat", problem="{problem}")
        try:
            with self._calls():
                return self._client.complete(self._templates.fill("system"), question, schema, repeat=repeat)
        except MalformedAnswer as error:
            message = f"{self.name} gave no usable answer, also when asked again: {error}"
            raise ProposalFailed(message, proposer=self.name) from None
        except ProviderFailed as error:
            raise ProposalFailed(
                str(error), proposer=self.name, again=error.again, unanswered=error.unanswered
            ) from None
        except CacheMiss as error:
            raise ProposalFailed(f"{self.name}: {error}", proposer=self.name, again=False) from None
