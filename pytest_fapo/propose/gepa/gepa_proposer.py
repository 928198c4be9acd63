"""A proposer that has GEPA's reflection write the new text of a prompt.

GEPA (arXiv:2507.19457) shows a model a few runs of a step with feedback and asks for a better instruction.
Its own search and its acceptance by a minibatch are not used: here review, gate and write-back decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel, Field

from pytest_fapo.answers.model_client import CallContext, MalformedAnswer, ProviderFailed, StructuredClient
from pytest_fapo.answers.sdk_clients import make_client
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.candidate import Artifact, Candidate, Edit, Review
from pytest_fapo.core.errors import CacheMiss, ConfigError
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.settings import Settings
from pytest_fapo.diagnosis.loose_values import whole_text
from pytest_fapo.propose.model.case_selection import CaseGroup, failing_groups, passing_groups
from pytest_fapo.propose.playbook.prompt_techniques import target_artifacts
from pytest_fapo.propose.proposer import ProposalFailed, ProposerDefaults

NAME = "gepa"

TECHNIQUE = "reflection"

BATCH = 3
"""Failing cases of one reflection, as GEPA's own minibatch has; the next one shows the next three."""

_MOST_CHARS = 2_000
"""Of one value that is shown."""

_SYSTEM = "You write instructions for a language model."


class Reply(BaseModel):
    """The answer in free text, with the new instruction between fences of backticks."""

    text: str = Field(description="Your whole answer, with the new instructions within ``` blocks.")


class GepaProposer(ProposerDefaults):
    """Candidates of the level `prompt` by GEPA's instruction proposal.

    Args:
        client: the model that reflects.
        calls: context in which the model is called.
        redact: takes out of cases what must not leave the machine.
    """

    name = NAME

    def __init__(
        self,
        client: StructuredClient,
        *,
        calls: CallContext = nullcontext,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._client = client
        self._calls = calls
        self._redact = redact

    @classmethod
    def from_settings(
        cls, spec: str, *, settings: Settings, calls: CallContext = nullcontext
    ) -> GepaProposer:
        """Return the proposer of `gepa:<model>`; `gepa` alone takes the first model of `optimizer`.

        Raises:
            ConfigError: there is no such model.
        """
        model = spec.partition(":")[2] or settings.optimizing_model
        if not model:
            raise ConfigError(
                'tool.fapo.optimizer: "gepa" has no model that reflects; name it: '
                'optimizer = ["gepa:openai:<model>"], or beside it: ["gepa", "anthropic:<model>"]'
            )
        return cls(make_client(model, settings), calls=calls, redact=Redactor.of(settings))

    def check(self) -> None:
        """See `Proposer.check`."""
        if find_spec("gepa") is None:
            raise ConfigError('optimizer "gepa" needs the package gepa: pip install "pytest-fapo[gepa]"')
        self._client.check()

    def propose(self, evidence: Evidence) -> Iterator[Candidate]:
        """One candidate for each call: the next failing cases, on the prompt that the step uses."""
        artifacts = target_artifacts(evidence) if evidence.level == "prompt" else []
        if not artifacts:
            return
        yield self._reflected(artifacts[0], evidence)

    def revise(self, candidate: Candidate, review: Review, evidence: Evidence) -> Candidate | None:
        """Return the same reflection, told what the review objects to."""
        artifact = next(
            (each for each in evidence.artifacts if each.address == candidate.edits[0].address), None
        )
        if artifact is None:
            return None
        problems = "; ".join(problem.message for problem in review.problems if problem.blocks)
        return self._reflected(artifact, evidence, objection=problems)

    def _reflected(self, artifact: Artifact, evidence: Evidence, objection: str = "") -> Candidate:
        shown = _records(evidence, self._number_tried(artifact, evidence))
        if objection:
            shown.append(
                {"Inputs": "(none)", "Feedback": f"A new instruction was refused by a review: {objection}"}
            )
        if not shown:
            raise ProposalFailed(f"{NAME}: no failing case shows what the step was given", proposer=NAME)
        text = self._ask(artifact.text, shown)
        after = _like(text, artifact.text)
        if not text.strip() or after == artifact.text:
            raise ProposalFailed(f"{NAME} proposed the text that is there", proposer=NAME, repeated=True)
        return evidence.candidate(
            [Edit(address=artifact.address, before=artifact.text, after=after)],
            proposer=NAME,
            technique=TECHNIQUE,
            hypothesis=f"GEPA's reflection on {len(shown)} runs of {evidence.cluster.step}.",
            targets=[item.nodeid for item in evidence.failing() if item.case.split == "train"],
        )

    def _number_tried(self, artifact: Artifact, evidence: Evidence) -> int:
        """Return how often it was asked about this prompt: the next question shows other cases."""
        return sum(
            attempt.candidate.proposer == NAME
            and (not attempt.candidate.edits or attempt.candidate.edits[0].address == artifact.address)
            for attempt in evidence.memory
        )

    def _ask(self, current: str, shown: Sequence[dict[str, Any]]) -> str:
        signature = import_module("gepa.strategies.instruction_proposal").InstructionProposalSignature

        def reflect(question: Any) -> str:
            with self._calls():
                repeat = "Your answer could not be read: {problem}. Give it again."
                return self._client.complete(_SYSTEM, self._redact(str(question)), Reply, repeat=repeat).text

        given = {
            "current_instruction_doc": current,
            "dataset_with_feedback": list(shown),
            "prompt_template": None,
        }
        try:
            return str(signature.run(reflect, given)["new_instruction"])
        except MalformedAnswer as error:
            raise ProposalFailed(f"{NAME}: no usable answer: {error}", proposer=NAME) from None
        except ProviderFailed as error:
            raise ProposalFailed(
                str(error), proposer=NAME, again=error.again, unanswered=error.unanswered
            ) from None
        except CacheMiss as error:
            raise ProposalFailed(f"{NAME}: {error}", proposer=NAME, again=False) from None


def _records(evidence: Evidence, number: int) -> list[dict[str, Any]]:
    """Runs of the step as GEPA's reflection reads them: the next failing cases, and one that passes."""
    failing, passing = failing_groups(evidence), passing_groups(evidence)
    if not failing:
        return []
    start = number * BATCH % len(failing)
    chosen = [*failing, *failing][start : start + min(BATCH, len(failing))]
    return [_record(group, evidence, failed=True) for group in chosen] + [
        _record(group, evidence, failed=False) for group in passing[:1]
    ]


def _record(group: CaseGroup, evidence: Evidence, *, failed: bool) -> dict[str, Any]:
    step = next(
        (
            step
            for item in group.items
            for step in (item.trace.steps if item.trace is not None else [])
            if step.key == evidence.cluster.step
        ),
        None,
    )
    inputs = step.inputs if step is not None and step.inputs else group.case.inputs
    output = step.output if step is not None else next((i.trace.output for i in group.items if i.trace), None)
    return {
        "Inputs": whole_text(inputs)[:_MOST_CHARS],
        "Generated Outputs": whole_text(output)[:_MOST_CHARS],
        "Feedback": _feedback(group) if failed else "This is right.",
    }


def _feedback(group: CaseGroup) -> str:
    lines = [f"Expected: {whole_text(group.case.expected)}"]
    for item in group.items:
        if not item.passed:
            lines += [item.explanation, *item.feedback]
    return "\n".join(line for line in lines if line.strip())[:_MOST_CHARS]


def _like(text: str, before: str) -> str:
    """Return the text with the white space that stood around the old one."""
    start, end = before[: len(before) - len(before.lstrip())], before[len(before.rstrip()) :]
    body = text.strip()
    return f"{start}{body.replace(chr(10), chr(13) + chr(10)) if chr(13) in before else body}{end}"
