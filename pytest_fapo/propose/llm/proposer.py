"""The proposer that asks a language model for whole new texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from pytest_fapo.config import Settings
from pytest_fapo.errors import CacheMiss
from pytest_fapo.llm.answers import Answer
from pytest_fapo.llm.clients import MalformedAnswer, ProviderFailed, StructuredClient, make_client
from pytest_fapo.models import Candidate, Evidence, Level, Repair, Review
from pytest_fapo.propose.llm import offering, rendering
from pytest_fapo.propose.llm.building import build, sentence
from pytest_fapo.propose.llm.schema import Proposal, Proposals, StructureProposal, StructureProposals
from pytest_fapo.propose.llm.tasks import make_task
from pytest_fapo.propose.llm.templates import Templates, load_templates
from pytest_fapo.propose.operators import OperatorError
from pytest_fapo.propose.protocol import CallContext, ProposalFailed, ProposerDefaults
from pytest_fapo.trace import Redactor


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
        templates: Templates,
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
        """The proposer that `openai:<model>` or `anthropic:<model>` names.

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
            proposal=rendering.render_candidate(candidate),
            problems=rendering.render_problems(review, candidate),
        )
        return self._better(candidate, objection, evidence)

    def repair(self, repair: Repair, evidence: Evidence) -> Candidate | None:
        """See `ProposerDefaults.repair`."""
        broken = rendering.render_repair(repair, evidence, self._evidence_chars // 2)
        objection = self._templates.fill(
            "repair", proposal=rendering.render_candidate(repair.candidate), broken=self._redact(broken)
        )
        return self._better(repair.candidate, objection, evidence)

    def question(self, evidence: Evidence, *, candidates: int = 1) -> str:
        """The text sent for this evidence; equal evidence gives equal text, so that the cache can answer."""
        memory = self._redact(rendering.render_memory(evidence.memory, self._evidence_chars // 4))
        cases = self._redact(rendering.render_cases(evidence, self._evidence_chars - len(memory)))
        return self._templates.fill(
            "propose",
            cluster=self._redact(rendering.render_cluster(evidence)),
            artifacts=offering.render_artifacts(evidence, self._evidence_chars),
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
        """The candidates of one request; of a second one where no operator of the first fits."""
        made, problem = self._answered(question, evidence, most)
        if not made and problem:
            again = self._templates.fill("repeat", problem=problem)
            made, problem = self._answered(f"{question}\n\n{again}", evidence, most)
        if not made:
            raise ProposalFailed(f"{self.name}: {problem}", proposer=self.name)
        return made

    def _answered(self, question: str, evidence: Evidence, most: int | None) -> tuple[list[Candidate], str]:
        """What can be made of the answer, and why the rest cannot."""
        proposals = self._proposals(question, evidence.level, most or self._candidates)
        given = [proposal for proposal in proposals if proposal.edits or proposal.applied]
        if not given:
            reason = sentence(proposals[0].hypothesis) or "no reason given"
            raise _NoEdit(f"{self.name} proposed no edit: {reason}", proposer=self.name)
        made, problems = [], []
        for proposal in given:
            try:
                made.append(build(proposal, evidence, self.name))
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
