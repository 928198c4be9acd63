"""A small help desk made by hand, for snapshots: two steps that ask a model, some cases, a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.handmade import call, prompt_file

from pytest_fapo.core.baseline import Baseline, CaseBaseline, PipelineBaseline
from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.core.trace import LLMCall, Step, Trace

SORT = "You sort the mail of a shop.\nName the team: refund or billing.\n\nTicket: {ticket}\n"
REPLY = "Write a kind reply for team {team}.\n\n<ticket>\n{ticket}\n</ticket>\n"
CHECK = "Check this reply for promises.\n\n<reply>\n{reply}\n</reply>\n"


def artifacts(sort: str = SORT, reply: str = REPLY, check: str = CHECK) -> list[Artifact]:
    texts = {"app/sort.md": sort, "app/reply.md": reply, "app/check.md": check}
    return [prompt_file(path, text) for path, text in texts.items()]


def param(address: str, text: str) -> Artifact:
    path, _, name = address.partition("::")
    return Artifact(address=address, kind="param", level="param", path=path, name=name, text=text)


def asking(name: str, prompt: str, answer: str, **more: Any) -> dict[str, Any]:
    """A step that sends `prompt` as its one message."""
    return {"name": name, "calls": [call(prompt, answer, model="small", **more)], "output": answer}


@dataclass
class Made:
    """Cases that ran, as an evaluation."""

    evaluation: Evaluation = field(default_factory=Evaluation)

    def run(
        self,
        case_id: str,
        steps: Sequence[Mapping[str, Any]],
        *,
        pipeline: str = "desk",
        split: Split = "train",
        inputs: Any = None,
        passed: bool = True,
        error: str | None = None,
        test: str = "test_desk.py::test_reply",
        **case: Any,
    ) -> Made:
        """One case; a step's calls follow each other at whole seconds unless they say when they began."""
        found: list[Step] = []
        calls: list[LLMCall] = []
        for step in steps:
            mine = list(range(len(calls), len(calls) + len(step.get("calls", ()))))
            calls += [
                each
                if each.duration
                else each.model_copy(update={"start": float(len(calls) + number), "duration": 0.5})
                for number, each in enumerate(step.get("calls", ()))
            ]
            parent = next((other.index for other in found if other.name == step.get("parent")), None)
            values = {name: step.get(name) for name in ("name", "inputs", "output")}
            found.append(Step(index=len(found), parent=parent, llm_calls=mine, **values))  # type: ignore[arg-type]
        nodeid = f"{test}[{case_id}]"
        trace = Trace(pipeline=pipeline, case_id=case_id, steps=found, llm_calls=calls, error=error)
        self.evaluation.traces[f"{pipeline} {case_id}"] = trace
        self.evaluation.cases[nodeid] = Case(id=case_id, inputs=inputs, split=split, **case)
        self.evaluation.items[nodeid] = ItemResult(
            nodeid=nodeid,
            outcome="passed" if passed else "failed",
            case_id=case_id,
            pipeline=pipeline,
            split=split,
            trace_id=f"{pipeline} {case_id}",
        )
        return self


def desk(
    *,
    sort: str = SORT,
    reply: str = REPLY,
    team: str = "refund",
    words: str = "We are sorry and send the money back.",
    cases: Sequence[str] = ("T-2", "T-10"),
) -> Made:
    """Every case's ticket is sorted, and answered."""
    made = Made()
    for case_id in cases:
        ticket = f"The pan of order {case_id} is broken."
        steps = [
            asking("sort", sort.format(ticket=ticket), team),
            asking("answer", reply.format(team=team, ticket=ticket), words),
        ]
        steps[0]["inputs"] = {"ticket": ticket}
        steps[1]["inputs"] = {"ticket": ticket, "team": team}
        made.run(case_id, steps, inputs={"ticket": ticket}, tags=["pans"])
    return made


def baseline_of(evaluation: Evaluation) -> Baseline:
    """The baseline that such an evaluation gives."""
    pipelines: dict[str, PipelineBaseline] = {}
    for nodeid, item in evaluation.items.items():
        assert item.pipeline is not None
        assert item.split is not None
        assert item.case_id is not None
        case = evaluation.cases[nodeid]
        mine = pipelines.setdefault(item.pipeline, PipelineBaseline(models=["small"]))
        record = mine.cases.setdefault(item.split, {}).setdefault(item.case_id, CaseBaseline())
        record.items[nodeid] = item.outcome
        record.scores.update(item.scores)
        record.tags, record.weight = case.tags, case.weight
    for name, pipeline in pipelines.items():
        for split in pipeline.cases:
            items = [
                item
                for item in evaluation.items.values()
                if item.pipeline == name and item.split == split and item.counts
            ]
            pipeline.scores[split] = sum(item.passed for item in items) / len(items)
    return Baseline(format=1, plugin="0", pipelines=pipelines)
