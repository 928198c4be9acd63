"""What the new files say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_fapo.cli.init.fixture import Subject
from pytest_fapo.cli.init.keys import DEFAULT_KEYS

OFFLINE = "pytest_fapo.llm.placeholder:reply"
_SPLITS = ("train", "val", "holdout")


@dataclass(frozen=True)
class Found:
    """What goes into the settings."""

    fixture: str
    conftest: str
    steps: Sequence[str] = ()
    prompts: Sequence[str] = ()
    read: Sequence[str] = ()
    """Other texts that the code reads; offered, not allowed."""
    params: Sequence[str] = ()
    structure: Sequence[str] = ()
    """Files with prompts that only a rewritten function could change."""
    code: Sequence[str] = ()
    """Files with the steps' functions; offered, not allowed."""
    placeholder: bool = False
    """Whether something has to answer in the model's place for now."""
    further_keys: Sequence[str] = ()
    """Environment variables whose keys the code uses, beside those of OpenAI and Anthropic."""


def settings(found: Found) -> str:
    """The tables `[tool.fapo]`."""
    lines = [
        "[tool.fapo]",
        f"# The fixture, in {found.conftest}, that gives what the cases run through.",
        f'pipeline = "{found.fixture}"',
        "# Functions recorded as steps of a run: what went in, what came out, which model calls they made.",
        f"steps = {_list(found.steps, wrap=True)}" if found.steps else '# steps = ["app.pipeline:*"]',
        "# Who proposes edits. The playbook is free and needs no key; a model is asked where it is named:",
        '# optimizer = ["playbook", "anthropic:<model>"]',
        'optimizer = ["playbook"]',
        "",
        "[tool.fapo.scope]",
        "# What `pytest --fapo-optimize` may edit. Nothing else is ever changed.",
        f"prompts = {_list(found.prompts, wrap=True)}"
        if found.prompts
        else '# prompts = ["app/prompts/*.md", "app/texts.py::*_PROMPT"]',
        *([f"# Other texts that the code reads: {_list(found.read)}"] if found.read else []),
        "# Values, with their bounds; tried where no wording is the cause.",
        f"# params = {_list(found.params or ['app/settings.py::TOP_K = 1..20'])}",
    ]
    if found.structure:
        lines += [
            "# Files whose functions may be rewritten. The prompts in them are inside of functions.",
            f"structure = {_list(found.structure, wrap=True)}",
        ]
    else:
        lines += [
            "# Files whose functions may be rewritten; tried last.",
            f"# structure = {_list(found.code or ['app/pipeline.py'])}",
        ]
    return "\n".join([*lines, *_offline(found)]) + "\n"


def _offline(found: Found) -> list[str]:
    if not found.placeholder:
        return []
    keys = [*DEFAULT_KEYS, *found.further_keys]
    return [
        "",
        "[tool.fapo.offline]",
        f"# Answers in the model's place while no key ({', '.join(keys)}) is set,",
        "# so that the tests run at once. It is no model; set a key, or write a stand-in that knows more.",
        f'model = "{OFFLINE}"',
        *([f"unless_env = {_list(keys)}"] if found.further_keys else []),
    ]


def _list(entries: Sequence[str], *, wrap: bool = False) -> str:
    quoted = [json.dumps(entry, ensure_ascii=False) for entry in entries]
    line = f"[{', '.join(quoted)}]"
    if not wrap or len(line) <= 90:
        return line
    return "[" + "".join(f"\n    {entry}," for entry in quoted) + "\n]"


def source_of_test(cases: str, subject: Subject, mapping: str = "") -> str:
    """The test of the first cases.

    Args:
        cases: path of the case file, relative to the test file.
        subject: the pipeline.
        mapping: further arguments of `cases`, for a file of the project's own; its cases have labels.
    """
    if mapping:
        checks = "    assert run.output == case.expected\n"
    else:
        checks = (
            "    assert run.output  # it answers at all; replace this by what makes an answer right\n"
            "    if case.expected is not None:\n"
            "        assert run.output == case.expected\n"
        )
    return (
        "import pytest_fapo as fapo\n\n\n"
        f'@fapo.cases("{cases}"{mapping})\n'
        f"def test_{subject.label}(case, run):\n"
        f"{checks}"
    )


def case_file(subject: Subject) -> str:
    """Three cases to be replaced, one in each split, as JSONL."""
    rows = [
        {"id": f"first-{number + 1}", "inputs": subject.inputs(number), "expected": None, "split": split}
        for number, split in enumerate(_SPLITS)
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
