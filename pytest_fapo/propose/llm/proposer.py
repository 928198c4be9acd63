"""The proposer that asks a language model for whole new texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

from pytest_fapo.config import Settings
from pytest_fapo.errors import CacheMiss
from pytest_fapo.llm.answers import Answer
from pytest_fapo.llm.clients import MalformedAnswer, ProviderFailed, StructuredClient, make_client
from pytest_fapo.llm.fencing import unfenced
from pytest_fapo.models import Candidate, Edit, Evidence, Review
from pytest_fapo.propose.llm import rendering
from pytest_fapo.propose.llm.schema import Proposal, Proposals
from pytest_fapo.propose.llm.templates import Templates, load_templates
from pytest_fapo.propose.protocol import CallContext, ProposalFailed
from pytest_fapo.trace import Redactor

_HYPOTHESIS_CHARS = 300
_FORM = '{"hypothesis": "…", "technique": "…", "edits": [{"address": "…", "text": "…"}]}'
"""Said in words too: some servers take a schema without a word and do not enforce it."""


class LLMProposer:
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
            redact=Redactor(settings.redact),
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
        question = self.question(evidence, candidates=self._candidates)
        if self._candidates == 1:
            proposals = [self._ask(question, Proposal)]
        else:
            proposals = self._ask(question, Proposals).proposals[: self._candidates]
        made = [self._candidate(proposal, evidence) for proposal in proposals if proposal.edits]
        if not made:
            reason = proposals[0].hypothesis or "no reason given"
            raise ProposalFailed(f"{self.name} proposed no edit: {_sentence(reason)}", proposer=self.name)
        fresh = {
            candidate.digest: candidate
            for candidate in made
            if not any(attempt.covers(candidate) for attempt in evidence.memory)
        }
        if not fresh:
            raise ProposalFailed(f"{self.name} proposed again what was tried before", proposer=self.name)
        yield from fresh.values()

    def revise(self, candidate: Candidate, review: Review, evidence: Evidence) -> Candidate | None:
        """See `Proposer.revise`."""
        objection = self._templates.fill(
            "revise",
            proposal=rendering.render_candidate(candidate),
            problems=rendering.render_problems(review),
        )
        proposal = self._ask(f"{self.question(evidence)}\n\n{objection}", Proposal)
        if not proposal.edits:
            return None
        revised = self._candidate(proposal, evidence)
        return None if revised.digest == candidate.digest else revised

    def question(self, evidence: Evidence, *, candidates: int = 1) -> str:
        """The text sent for this evidence; equal evidence gives equal text, so that the cache can answer."""
        memory = self._redact(rendering.render_memory(evidence.memory, self._evidence_chars // 4))
        cases = self._redact(rendering.render_cases(evidence, self._evidence_chars - len(memory)))
        return self._templates.fill(
            "propose",
            cluster=self._redact(rendering.render_cluster(evidence)),
            artifacts=rendering.render_artifacts(evidence, self._evidence_chars),
            cases=cases,
            memory=memory,
            task=_task(candidates),
            max_chars=str(self._max_prompt_chars),
        )

    def _ask(self, question: str, schema: type[Answer]) -> Answer:
        repeat = self._templates.fill("repeat", problem="{problem}")
        try:
            with self._calls():
                return self._client.complete(self._templates.fill("system"), question, schema, repeat=repeat)
        except MalformedAnswer as error:
            message = f"{self.name} gave no usable answer, also when asked again: {error}"
            raise ProposalFailed(message, proposer=self.name) from None
        except ProviderFailed as error:
            raise ProposalFailed(str(error), proposer=self.name, again=error.again) from None
        except CacheMiss as error:
            raise ProposalFailed(f"{self.name}: {error}", proposer=self.name, again=False) from None

    def _candidate(self, proposal: Proposal, evidence: Evidence) -> Candidate:
        """The proposal on the texts that the evidence shows; an unknown address is left to the review."""
        texts = {artifact.address: artifact.text for artifact in evidence.artifacts}
        wanted = {edit.address: edit.text for edit in proposal.edits}
        edits = [
            Edit(address=address, before=texts.get(address, ""), after=_like(text, texts.get(address)))
            for address, text in wanted.items()
        ]
        changed = [edit for edit in edits if edit.after != edit.before]
        return Candidate(
            parent=evidence.parent,
            edits=changed or edits,
            hypothesis=_sentence(proposal.hypothesis) or "The model gave no reason.",
            proposer=self.name,
            technique=_slug(proposal.technique),
            level=evidence.level,
            cluster=evidence.cluster.id,
            step=evidence.cluster.step,
            targets=[item.nodeid for item in evidence.failing() if item.case.split == "train"],
        )


def _task(candidates: int) -> str:
    if candidates == 1:
        return f"Give one proposal, as JSON of this form:\n\n{_FORM}"
    form = f'{{"proposals": [{_FORM}, …]}}'
    return (
        f"Give {candidates} proposals that differ in their idea, best first, as JSON of this form:\n\n{form}"
    )


def _like(text: str, before: str | None) -> str:
    """`text` with the old one's line ends and surrounding white space, without a code fence added to it."""
    if before is None:
        return text
    text = re.sub(r"\r\n?", "\n", text)
    body = unfenced(text).strip()
    wrapped = re.fullmatch(r"```[\w-]*\n(.*)\n```", body, re.DOTALL)
    if wrapped and not before.lstrip().startswith("```"):
        body = wrapped[1].strip()
    start = before[: len(before) - len(before.lstrip())]
    end = before[len(before.rstrip()) :]
    if "\r\n" in before:
        body = body.replace("\n", "\r\n")
    return f"{start}{body}{end}"


def _sentence(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _HYPOTHESIS_CHARS else line[: _HYPOTHESIS_CHARS - 1] + "…"


def _slug(technique: str) -> str:
    words = re.findall(r"[a-z0-9]+", technique.lower())[:4]
    return "-".join(words) or "rewrite"
