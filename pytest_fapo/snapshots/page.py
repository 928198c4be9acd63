"""One snapshot: the page of a pipeline, and what it was made from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path

from pytest_fapo.models import Artifact, Baseline, Case, Evaluation, canonical_json, text_digest
from pytest_fapo.snapshots.asked import Asked, asked_in, judged_in
from pytest_fapo.snapshots.blocks import blocks, was_sent
from pytest_fapo.snapshots.markdown import code, fenced, table
from pytest_fapo.snapshots.masking import Mask
from pytest_fapo.snapshots.messages import parts_of
from pytest_fapo.snapshots.samples import Runs
from pytest_fapo.snapshots.scores import scores_table
from pytest_fapo.snapshots.state import Asking, State, state_comment
from pytest_fapo.snapshots.steps import StepGraph, step_paths
from pytest_fapo.trace import Redactor

_COMPARED_CALLS = 200
"""Calls of the sample case whose digests are kept."""
_LOOKED_AT = 50
"""Traces in which a pipeline's prompts are looked for."""


class Page:
    """A pipeline's snapshot in its parts.

    Args:
        pipeline: name of the fixture.
        evaluation: of this session.
        baseline: has the scores.
        artifacts: of all levels, as they were evaluated.
        foreign: addresses of prompts that only other pipelines use.
        sample: id of the case whose prompts were shown so far; empty for the first by id.
        redactor: takes credentials and private texts out of prompts that no case asked for.
        root: folder of the project.
    """

    def __init__(
        self,
        pipeline: str,
        *,
        evaluation: Evaluation,
        baseline: Baseline,
        artifacts: Sequence[Artifact],
        foreign: Collection[str] = (),
        sample: str = "",
        redactor: Redactor | None = None,
        root: Path | None = None,
    ) -> None:
        self.pipeline = pipeline
        self._runs = Runs(evaluation, pipeline)
        self.sample = self._runs.sample(sample)
        self.scores = scores_table(baseline.pipelines[pipeline])
        self._redact = redactor or Redactor()
        self._artifacts = [artifact for artifact in artifacts if artifact.address not in foreign]
        # as the traces have them
        self._prompts = [
            artifact.model_copy(update={"text": self._redact(artifact.text)})
            for artifact in self._artifacts
            if artifact.level == "prompt"
        ]
        self._root = root

    @cached_property
    def calls(self) -> list[Asked]:
        """The sample case's calls, in the order in which they were made."""
        trace = self._runs.traces.get(self.sample)
        if trace is None:
            return []
        return asked_in(trace, self._mask)

    @cached_property
    def judges(self) -> list[Asked]:
        """The calls that tests made themselves about the sample case, as to a model that judges."""
        trace = self._runs.traces.get(self.sample)
        return judged_in(trace, self._runs.judges[self.sample], self._mask) if trace is not None else []

    @cached_property
    def blocks(self) -> list[str]:
        """The prompts of the sample case, each as Markdown."""
        return blocks(self.calls, self._prompts)

    @cached_property
    def judge_blocks(self) -> list[str]:
        """The prompts that tests sent about the sample case, each as Markdown."""
        return blocks(self.judges, self._prompts)

    @cached_property
    def _mask(self) -> Mask:
        templates = [artifact.text for artifact in self._prompts]
        known = [*templates, *_inputs_of(self._runs.cases.get(self.sample))]
        return Mask(known, templates, self._root)

    @cached_property
    def state(self) -> State:
        """What the page is made from."""
        trace = self._runs.traces.get(self.sample)
        paths = sorted(set(step_paths(trace).values())) if trace is not None else []
        return State(
            pipeline=self.pipeline,
            sample=self.sample,
            steps=text_digest(canonical_json(paths))[:8],
            artifacts=_digests(self._artifacts),
            calls=_asking(self.calls),
            judges=_asking(self.judges),
        )

    @property
    def text(self) -> str:
        """The whole file."""
        graph = StepGraph(self._runs.traces.values())
        sections = [
            f"# {code(self.pipeline)}\n",
            "What this pipeline asks its models, and how well it does. Written with the baseline by "
            "`pytest --fapo-update-baseline`; not to be edited.\n",
            f"## Scores\n\n{self.scores}",
            _section("Steps", graph.as_list(), graph.as_diagram()),
            _section("Parameters", self._parameters()),
            _section(f"Prompts, as sent for case {code(self.sample)}", *self.blocks),
            _section(f"Prompts of the tests, as sent for case {code(self.sample)}", *self.judge_blocks),
            _section(self._title_of_others(), *self._others()),
            state_comment(self.state),
        ]
        return "\n".join(section for section in sections if section)

    def _parameters(self) -> str:
        params = [artifact for artifact in self._artifacts if artifact.level == "param"]
        rows = [[code(artifact.address), code(self._value(artifact))] for artifact in params]
        return table(["Parameter", "Value"], rows) if rows else ""

    def _value(self, artifact: Artifact) -> str:
        name = artifact.name.rpartition(".")[2]
        return "[redacted]" if Redactor.names_credential(name) else self._redact(artifact.text)

    def _title_of_others(self) -> str:
        return f"Prompts not sent for case {code(self.sample)}" if self.calls else "Prompts, as they stand"

    def _others(self) -> list[str]:
        """Prompts that the sample case does not need: other cases may."""
        texts = [part.text for each in (*self.calls, *self.judges) for part in each.parts]
        return [
            f"### {code(artifact.address)}\n\n{fenced(artifact.text)}"
            for artifact in self._prompts
            if not was_sent(artifact, texts)
        ]


def foreign_prompts(
    evaluation: Evaluation, pipelines: Collection[str], artifacts: Sequence[Artifact]
) -> dict[str, set[str]]:
    """By pipeline: addresses of the prompts that others of the pipelines send, and it does not."""
    if len(pipelines) < 2:
        return {name: set() for name in pipelines}
    prompts = [artifact for artifact in artifacts if artifact.level == "prompt"]
    used = {name: _used(Runs(evaluation, name), prompts) for name in pipelines}
    return {name: set().union(*used.values()) - used[name] for name in pipelines}


def _used(runs: Runs, prompts: Sequence[Artifact]) -> set[str]:
    calls = [call for trace in list(runs.traces.values())[:_LOOKED_AT] for call in trace.llm_calls]
    tests = list(runs.judges.values())[:_LOOKED_AT]
    calls += [call for each in tests for made in each.values() for call in made]
    texts = [part.text for call in calls for part in parts_of(call)]
    return {artifact.address for artifact in prompts if was_sent(artifact, texts)}


def _section(title: str, *bodies: str) -> str:
    """A section without the bodies that are empty; empty where all are."""
    full = [body for body in bodies if body]
    return "\n".join([f"## {title}\n", *full]) if full else ""


def _digests(artifacts: Sequence[Artifact]) -> dict[str, str]:
    """Address to digest of what the page shows; of a function it shows only what that makes of prompts."""
    shown = [artifact for artifact in artifacts if artifact.level != "structure"]
    return {artifact.address: text_digest(artifact.text)[:8] for artifact in shown}


def _asking(calls: Sequence[Asked]) -> list[Asking]:
    return [Asking(each.step, each.question, each.answer) for each in calls[:_COMPARED_CALLS]]


def _inputs_of(case: Case | None) -> list[str]:
    if case is None:
        return []
    return [case.inputs if isinstance(case.inputs, str) else canonical_json(case.inputs)]
