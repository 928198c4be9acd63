"""One snapshot: the page of a pipeline, and what it was made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pytest_fapo.models import Artifact, Baseline, Case, Evaluation, text_digest
from pytest_fapo.snapshots.asked import Asked, asked_in, shown, used_prompts
from pytest_fapo.snapshots.markdown import code, fenced, table
from pytest_fapo.snapshots.masking import Mask
from pytest_fapo.snapshots.samples import Runs
from pytest_fapo.snapshots.scores import scores_table
from pytest_fapo.snapshots.state import Asking, State, state_comment
from pytest_fapo.snapshots.steps import step_tree
from pytest_fapo.trace import Redactor

_COMPARED_CALLS = 200
"""Calls of the sample case whose digests are kept."""


class Page:
    """A pipeline's snapshot in its parts.

    Args:
        pipeline: name of the fixture.
        evaluation: of this session.
        baseline: has the scores.
        artifacts: of all levels, as they were evaluated.
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
        sample: str = "",
        redactor: Redactor | None = None,
        root: Path | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.runs = Runs(evaluation, pipeline)
        self.sample = self.runs.sample(sample)
        self.scores = scores_table(baseline.pipelines[pipeline])
        self.steps = step_tree(self.runs.traces.values())
        self._redact = redactor or Redactor()
        self._prompts = [artifact for artifact in artifacts if artifact.level == "prompt"]
        self._params = [artifact for artifact in artifacts if artifact.level == "param"]
        self._root = root
        self.calls = self._calls()
        self._used = used_prompts(self.calls, self._prompts)
        self.state = State(
            pipeline,
            self.sample,
            _digests(artifacts),
            [Asking(each.step, each.question, each.answer) for each in self.calls[:_COMPARED_CALLS]],
        )

    @property
    def text(self) -> str:
        """The whole file."""
        sections = [
            f"# {code(self.pipeline)}\n",
            "What this pipeline asks, and how well it does. Written with the baseline by "
            "`pytest --fapo-update-baseline`; do not edit.\n",
            f"## Scores\n\n{self.scores}",
            f"## Steps\n\n{self.steps}" if self.steps else "",
            f"## Parameters\n\n{self._parameters()}" if self._params else "",
            self._rendered(),
            self._others(),
            state_comment(self.state),
        ]
        return "\n".join(section for section in sections if section)

    def _calls(self) -> list[Asked]:
        trace = self.runs.traces.get(self.sample)
        if trace is None:
            return []
        templates = [self._redact(artifact.text) for artifact in self._prompts]
        known = [*templates, *_inputs_of(self.runs.cases.get(self.sample))]
        return asked_in(trace, Mask(known, templates, self._root))

    def _parameters(self) -> str:
        rows = [[code(artifact.address), code(self._value(artifact))] for artifact in self._params]
        return table(["Parameter", "Value"], rows)

    def _value(self, artifact: Artifact) -> str:
        name = artifact.name.rpartition(".")[2]
        return "[redacted]" if Redactor.names_credential(name) else self._redact(artifact.text)

    def _rendered(self) -> str:
        if not self.calls:
            return ""
        return f"## Prompts, as sent for case {code(self.sample)}\n\n{shown(self.calls, self._prompts)}"

    def _others(self) -> str:
        """Prompts that the sample case does not need: other cases may."""
        others = [artifact for artifact in self._prompts if artifact.address not in self._used]
        if not others:
            return ""
        title = f"not sent for case {code(self.sample)}" if self.calls else "as they stand"
        blocks = [
            f"### {code(artifact.address)}\n\n{fenced(self._redact(artifact.text).strip(chr(10)))}"
            for artifact in others
        ]
        return f"## Prompts {title}\n\n" + "\n".join(blocks)


def _digests(artifacts: Sequence[Artifact]) -> dict[str, str]:
    """Address to digest; functions are many, so those of a file have one together."""
    functions: dict[str, list[list[str]]] = {}
    found: dict[str, str] = {}
    for artifact in artifacts:
        if artifact.kind == "function":
            functions.setdefault(artifact.path, []).append([artifact.address, artifact.text])
        else:
            found[artifact.address] = text_digest(artifact.text)[:8]
    for path, texts in functions.items():
        found[f"{path} (functions)"] = text_digest(json.dumps(sorted(texts)))[:8]
    return found


def _inputs_of(case: Case | None) -> list[str]:
    if case is None:
        return []
    return [case.inputs if isinstance(case.inputs, str) else json.dumps(case.inputs, ensure_ascii=False)]
