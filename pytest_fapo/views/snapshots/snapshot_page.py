"""One snapshot: the page of a pipeline, and the state that it was made from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import fmean

from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.baseline import Baseline, CaseBaseline, PipelineBaseline, passed_share
from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation, weighted_mean
from pytest_fapo.core.record import SPLITS, canonical_json, text_digest
from pytest_fapo.core.text import percent
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.views.markdown import plain_block, plain_code, table
from pytest_fapo.views.snapshots.prompt_messages import MessagePart, is_in, parts_of, shortened
from pytest_fapo.views.snapshots.sample_calls import PromptMask, SampleCall, judged_in, sample_calls
from pytest_fapo.views.snapshots.snapshot_state import RecordedCall, SnapshotState, state_comment
from pytest_fapo.views.snapshots.step_graph import StepGraph, StepPath, step_paths


class TrainRuns:
    """The train cases of a pipeline with their traces, one each; val and holdout are not looked at.

    Args:
        evaluation: of this session.
        pipeline: name of the fixture.
    """

    def __init__(self, evaluation: Evaluation, pipeline: str) -> None:
        found: dict[str, tuple[int, Trace, Case | None]] = {}
        judges: dict[str, dict[str, tuple[int, Sequence[LLMCall]]]] = {}
        for nodeid, item in evaluation.items.items():
            trace = evaluation.trace_of(item)
            if item.pipeline != pipeline or item.split != "train" or item.case_id is None or trace is None:
                continue
            if item.case_id not in found or item.repeat < found[item.case_id][0]:
                found[item.case_id] = (item.repeat, trace, evaluation.cases.get(nodeid))
            test, known = item.test or nodeid.partition("[")[0], judges.setdefault(item.case_id, {})
            if test not in known or item.repeat < known[test][0]:
                known[test] = (item.repeat, item.test_calls)
        ordered = sorted(found, key=_natural)
        self.traces: Mapping[str, Trace] = {case_id: found[case_id][1] for case_id in ordered}
        """By case id, in the order of the ids."""
        self.judges: Mapping[str, Mapping[str, Sequence[LLMCall]]] = {
            case_id: {test: calls for test, (_, calls) in sorted(judges[case_id].items())}
            for case_id in ordered
        }
        """By case id and test: the calls that the test made itself, as to a model that judges the output."""
        self.cases: Mapping[str, Case | None] = {case_id: found[case_id][2] for case_id in ordered}

    def sample(self, wanted: str = "") -> str:
        """Id of the case whose prompts are shown; empty without train cases.

        Args:
            wanted: the id that the snapshot has had; kept as long as there is such a case.

        Returns:
            `wanted`, else the first by id whose pipeline finished, else the first.
        """
        if wanted in self.traces:
            return wanted
        good = (case_id for case_id, trace in self.traces.items() if trace.error is None and trace.llm_calls)
        return next(good, next(iter(self.traces), ""))


def _natural(case_id: str) -> list[tuple[int, str]]:
    """`T-9` comes before `T-10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", case_id)]


def scores_table(pipeline: PipelineBaseline) -> str:
    """Return the table: weighted share of passing items per split and tag, mean of each graded metric."""
    rows: list[list[str]] = []
    for split in SPLITS:
        cases = pipeline.cases.get(split, {})
        if split in pipeline.scores:
            rows.append([split, str(len(cases)), percent(pipeline.scores[split], decimals=1)])
    everything = list(_cases_of(pipeline))
    for tag in sorted({tag for case in everything for tag in case.tags}):
        shares = [_shares(case) for case in everything if tag in case.tags]
        share = weighted_mean(pair for pairs in shares for pair in pairs)
        if share is not None:
            rows.append([f"tag {_cell(tag)}", str(sum(map(bool, shares))), percent(share, decimals=1)])
    for metric in sorted({name for case in everything for name in case.scores}):
        values = [case.scores[metric] for case in everything if metric in case.scores]
        rows.append([f"metric {_cell(metric)}", str(len(values)), f"{fmean(values):.4g}"])
    return table(["Group", "Cases", "Score"], rows, right=(1, 2)) + "\n"


def _cell(text: str) -> str:
    return plain_code(text, pipe="\\|")


def _cases_of(pipeline: PipelineBaseline) -> Iterator[CaseBaseline]:
    for split in SPLITS:
        yield from pipeline.cases.get(split, {}).values()


def _shares(case: CaseBaseline) -> list[tuple[float, float]]:
    """Weight and passing share of each test of a case that counts."""
    shares = map(passed_share, case.items.values())
    return [(case.weight, share) for share in shares if share is not None]


_SHOWN = 4
"""Different calls of one step that are shown; an agent may make hundreds."""


def prompt_blocks(calls: Sequence[SampleCall], prompts: Sequence[Artifact]) -> list[str]:
    """One block of Markdown for each call, step by step; equal calls of a step share one.

    The calls of a step are in an order that does not depend on which of them was answered first.

    Args:
        calls: in the order in which they were made.
        prompts: the artifacts that are prompts, to say where a text comes from.
    """
    steps: dict[StepPath, list[SampleCall]] = {}
    for each in calls:
        steps.setdefault(each.path, []).append(each)
    common = _common([path for path in steps if path])
    found: list[str] = []
    for path, mine in steps.items():
        title = f"### {' › '.join(map(plain_code, path[common:]))}" if path else "### Outside of all steps"
        different = sorted({each.question: each for each in mine}.values(), key=_order)
        for number, each in enumerate(different[:_SHOWN]):
            times = sum(other.question == each.question for other in mine)
            head = title if number == 0 else f"{title}, prompt {number + 1}"
            found.append(f"{head}\n\n{_body(each, different[:number], prompts, times)}")
        if len(different) > _SHOWN:
            found.append(f"{title}, further prompts\n\nThe same step asks more, which is not shown.\n")
    return found


def was_sent(prompt: Artifact, texts: Sequence[str]) -> bool:
    """True if a prompt's text is a part of one of the texts."""
    return any(is_in(prompt.text, text) for text in texts)


def _common(paths: Sequence[StepPath]) -> int:
    """Return the number of outer steps that all paths share, the innermost of each left out."""
    shared = 0
    shortest = min(map(len, paths), default=0)
    while shared < shortest - 1 and len({path[shared] for path in paths}) == 1:
        shared += 1
    return shared


def _order(each: SampleCall) -> tuple[int, bool, str]:
    text = "\n".join(part.text for part in each.parts)
    return len(each.parts), "⟨" in text, text


def _body(each: SampleCall, earlier: Sequence[SampleCall], prompts: Sequence[Artifact], times: int) -> str:
    known = max((_begins_with(each.parts, other.parts) for other in earlier), default=0)
    lines = [_settings(each.call) + (f", {times} times" if times > 1 else "") + ".", ""]
    if known:
        lines += ["Goes on from a prompt above, with:", ""]
    for part in each.parts[known:]:
        shown = shortened(part.text, [artifact.text for artifact in prompts])
        lines += [_label(part, prompts), "", plain_block(shown)]
    return "\n".join(lines)


def _begins_with(parts: Sequence[MessagePart], start: Sequence[MessagePart]) -> int:
    """Return the number of messages in `parts` from `start`; 0 if it does not continue from it."""
    return len(start) if len(start) < len(parts) and list(parts[: len(start)]) == list(start) else 0


def _label(part: MessagePart, prompts: Sequence[Artifact]) -> str:
    role = f"**{part.role}**" if re.fullmatch(r"\w+", part.role) else plain_code(part.role)
    sources = [plain_code(artifact.address) for artifact in prompts if was_sent(artifact, [part.text])]
    return role + (f", from {' and '.join(sources)}" if sources else "") + ":"


def _settings(call: LLMCall) -> str:
    facts = [plain_code(call.model or call.api)]
    facts += [
        plain_code(f"{name}={canonical_json(value)}") for name, value in sorted(call.parameters.items())
    ]
    if call.offered:
        facts.append(f"with the tools {', '.join(map(plain_code, call.offered))}")
    return "Asks " + ", ".join(facts)


_COMPARED_CALLS = 200
"""Calls of the sample case whose digests are kept."""

_SEARCHED_TRACES = 50
"""Traces in which a pipeline's prompts are looked for."""


class SnapshotPage:
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
        self._runs = TrainRuns(evaluation, pipeline)
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
    def calls(self) -> list[SampleCall]:
        """The sample case's calls, in the order in which they were made."""
        trace = self._runs.traces.get(self.sample)
        if trace is None:
            return []
        return sample_calls(trace, self._mask)

    @cached_property
    def judges(self) -> list[SampleCall]:
        """The calls that tests made themselves about the sample case, as to a model that judges."""
        trace = self._runs.traces.get(self.sample)
        return judged_in(trace, self._runs.judges[self.sample], self._mask) if trace is not None else []

    @cached_property
    def blocks(self) -> list[str]:
        """The prompts of the sample case, each as Markdown."""
        return prompt_blocks(self.calls, self._prompts)

    @cached_property
    def judge_blocks(self) -> list[str]:
        """The prompts that tests sent about the sample case, each as Markdown."""
        return prompt_blocks(self.judges, self._prompts)

    @cached_property
    def _mask(self) -> PromptMask:
        templates = [artifact.text for artifact in self._prompts]
        known = [*templates, *_inputs_of(self._runs.cases.get(self.sample))]
        return PromptMask(known, templates, self._root)

    @cached_property
    def state(self) -> SnapshotState:
        """The state that the page is made from."""
        trace = self._runs.traces.get(self.sample)
        paths = sorted(set(step_paths(trace).values())) if trace is not None else []
        return SnapshotState(
            pipeline=self.pipeline,
            sample=self.sample,
            steps=text_digest(canonical_json(paths))[:8],
            artifacts=_digests(self._artifacts),
            calls=_recorded(self.calls),
            judges=_recorded(self.judges),
        )

    @property
    def text(self) -> str:
        """The whole file."""
        graph = StepGraph(self._runs.traces.values())
        sections = [
            f"# {plain_code(self.pipeline)}\n",
            "What this pipeline asks its models, and how well it does. Written with the baseline by "
            "`pytest --fapo-update-baseline`; do not edit it.\n",
            f"## Scores\n\n{self.scores}",
            _section("Steps", graph.as_list(), graph.as_diagram()),
            _section("Parameters", self._parameters()),
            _section(f"Prompts, as sent for case {plain_code(self.sample)}", *self.blocks),
            _section(f"Prompts of the tests, as sent for case {plain_code(self.sample)}", *self.judge_blocks),
            _section(self._title_of_others(), *self._others()),
            state_comment(self.state),
        ]
        return "\n".join(section for section in sections if section)

    def _parameters(self) -> str:
        params = [artifact for artifact in self._artifacts if artifact.level == "param"]
        rows = [[_cell(artifact.address), _cell(self._value(artifact))] for artifact in params]
        return table(["Parameter", "Value"], rows) + "\n" if rows else ""

    def _value(self, artifact: Artifact) -> str:
        name = artifact.name.rpartition(".")[2]
        return "[redacted]" if Redactor.names_credential(name) else self._redact(artifact.text)

    def _title_of_others(self) -> str:
        return (
            f"Prompts not sent for case {plain_code(self.sample)}" if self.calls else "Prompts, as they stand"
        )

    def _others(self) -> list[str]:
        """Prompts that the sample case does not need: other cases may."""
        texts = [part.text for each in (*self.calls, *self.judges) for part in each.parts]
        return [
            f"### {plain_code(artifact.address)}\n\n{plain_block(artifact.text)}"
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
    used = {name: _used(TrainRuns(evaluation, name), prompts) for name in pipelines}
    return {name: set().union(*used.values()) - used[name] for name in pipelines}


def _used(runs: TrainRuns, prompts: Sequence[Artifact]) -> set[str]:
    calls = [call for trace in list(runs.traces.values())[:_SEARCHED_TRACES] for call in trace.llm_calls]
    tests = list(runs.judges.values())[:_SEARCHED_TRACES]
    calls += [call for each in tests for made in each.values() for call in made]
    texts = [part.text for call in calls for part in parts_of(call)]
    return {artifact.address for artifact in prompts if was_sent(artifact, texts)}


def _section(title: str, *bodies: str) -> str:
    """Return a section without the bodies that are empty; empty where all are."""
    full = [body for body in bodies if body]
    return "\n".join([f"## {title}\n", *full]) if full else ""


def _digests(artifacts: Sequence[Artifact]) -> dict[str, str]:
    """Address to digest of what the page shows; of a function it shows only what that makes of prompts."""
    shown = [artifact for artifact in artifacts if artifact.level != "structure"]
    return {artifact.address: text_digest(artifact.text)[:8] for artifact in shown}


def _recorded(calls: Sequence[SampleCall]) -> list[RecordedCall]:
    return [RecordedCall(each.step, each.question, each.answer) for each in calls[:_COMPARED_CALLS]]


def _inputs_of(case: Case | None) -> list[str]:
    if case is None:
        return []
    return [case.inputs if isinstance(case.inputs, str) else canonical_json(case.inputs)]
