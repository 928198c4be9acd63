"""A language model as proposer beyond wording: parameters, code, operators, examples, joint edits, repair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.agent_project import ANSWER, PROMPT, AgentProject
from support.agent_project import TOP_K as PROJECT_TOP_K
from support.evidence import TRIAGE, TRIAGE_TEXT, an_attempt, an_evidence, an_item
from support.llm_server import Answer, LLMServer
from support.operated import Operated
from support.scripted_provider import chat, message, scripted, tool_use, words_of

from pytest_fapo.core.candidate import Artifact, Candidate, Domain, Edit
from pytest_fapo.core.evidence import Evidence, Repair
from pytest_fapo.core.record import LEVELS, Level
from pytest_fapo.core.settings import Settings
from pytest_fapo.core.trace import LLMCall, ToolCall
from pytest_fapo.propose.model.model_proposer import LLMProposer
from pytest_fapo.propose.proposer import ProposalFailed
from pytest_fapo.review.static_review import review
from pytest_fapo.source.artifact_store import ArtifactStore

DRAFT = "app.py::DRAFT"
TOP_K = "app/settings.py::TOP_K"
MODEL = "app/settings.py::MODEL"
SPLIT = "app/pipeline.py::split"
SOURCE = "def split(text: str) -> list[str]:\n    return text.split()\n"
MODULE = f"import json\n\n\n{SOURCE}\n\ndef other(text: str) -> str:\n    return text\n"
ARTIFACTS = [
    Artifact(address=TRIAGE, kind="file", level="prompt", path=TRIAGE, text=TRIAGE_TEXT),
    Artifact(address=DRAFT, kind="constant", level="prompt", path="app.py", text="Draft a reply."),
    Artifact(
        address=TOP_K,
        kind="param",
        level="param",
        path="app/settings.py",
        name="TOP_K",
        text="4",
        domain=Domain(kind="int", low=1, high=20),
    ),
    Artifact(
        address=MODEL,
        kind="param",
        level="param",
        path="app/settings.py",
        name="MODEL",
        text='"small"',
        domain=Domain(kind="choice", choices=["small", "large"], given=True),
    ),
    Artifact(
        address=SPLIT,
        kind="function",
        level="structure",
        path="app/pipeline.py",
        name="split",
        text=SOURCE,
    ),
]
REACH = {"prompt": 2, "param": 4, "structure": 5}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-key")


def evidence(level: Level = "structure", **more: Any) -> Evidence:
    fields: dict[str, Any] = {"artifacts": ARTIFACTS[: REACH[level]], "level": level}
    if level == "structure":
        fields["sources"] = {"app/pipeline.py": MODULE, "app/texts.py": "READ_ONLY = 1\n"}
        fields["creatable"] = ["prompts/*.md"]
    return an_evidence(**{**fields, **more})


def proposer(server: LLMServer, spec: str = "openai:m", **more: Any) -> LLMProposer:
    name = spec.partition(":")[0]
    base = f"{server.url}/v1" if name == "openai" else server.url
    settings = Settings.model_validate({"llm": {name: {"base_url": base}}, **more})
    return LLMProposer.from_settings(spec, settings=settings, root=Path())


def said(edits: Any = (), operators: Any = None, technique: str = "rewrite") -> Answer:
    answer = {"hypothesis": "Because.", "technique": technique, "edits": list(edits)}
    return chat(json.dumps(answer if operators is None else {**answer, "operators": operators}))


def edit(address: str, text: Any) -> dict[str, Any]:
    return {"address": address, "text": text}


@contextmanager
def asked(given: Evidence, *replies: Answer) -> Iterator[tuple[list[Candidate], list[str]]]:
    """The candidates, and the questions that the model was sent."""
    with scripted(*replies) as server:
        found = list(proposer(server).propose(given))
        yield found, [words_of(request) for request in server.requests]


def one(given: Evidence, *replies: Answer) -> Candidate:
    with asked(given, *replies) as (candidates, _):
        (candidate,) = candidates
    return candidate


# --- what is shown ------------------------------------------------------------------------------------------


def test_each_level_shows_what_it_may_edit_and_nothing_above() -> None:
    shown = {}
    for level in ("prompt", "param", "structure"):
        with asked(evidence(level), said([edit(TRIAGE, "New.")])) as (_, questions):
            shown[level] = questions[0]
    assert "TOP_K" not in shown["prompt"]
    assert "operators" not in shown["param"]
    line = f"- {TOP_K} = 4; allowed: 1..20"
    assert line not in shown["prompt"]
    assert line in shown["param"]
    assert line in shown["structure"]
    assert f'- {MODEL} = "small"; allowed: one of "small", "large"' in shown["param"]
    assert "def split" not in shown["param"]
    assert shown["structure"].count("def split") == 1
    assert f"Functions there that may be edited: {SPLIT}" in shown["structure"]
    assert "For reading only:" in shown["structure"]
    assert "an address that fits one of: prompts/*.md" in shown["structure"]


def test_a_long_file_gives_way_to_its_functions() -> None:
    padded = {"app/pipeline.py": MODULE + "# filler\n" * 5_000}
    with asked(evidence(sources=padded), said([edit(TRIAGE, "New.")])) as (_, questions):
        assert "# filler" not in questions[0]
        assert "def split" in questions[0]


def test_the_reason_for_a_higher_level_is_told() -> None:
    why = "prompt level left: 3 candidates of 3 techniques brought nothing"
    with asked(evidence(escalation=why), said([edit(TRIAGE, "New.")])) as (_, questions):
        assert why in questions[0]


def test_tool_calls_of_the_step_are_shown() -> None:
    given = evidence("prompt")
    trace = given.cases[0].trace
    assert trace is not None
    trace.llm_calls = [
        LLMCall(
            key="a",
            api="chat.completions",
            url="http://x",
            tool_calls=[ToolCall(id="t1", name="lookup", arguments={"order": "7x"})],
        ),
        LLMCall(
            key="b",
            api="chat.completions",
            url="http://x",
            messages=[
                {
                    "role": "assistant",
                    "tool_calls": [
                        {
                            "id": "t1",
                            "type": "function",
                            "function": {"name": "lookup", "arguments": '{"order": "7x"}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "t1", "content": "Error: invalid argument 'order'"},
            ],
            answer="?",
        ),
    ]
    trace.steps[0].llm_calls = [0, 1]
    with asked(given, said([edit(TRIAGE, "New.")])) as (_, questions):
        assert 'tool lookup was called with {"order": "7x"} and gave "Error: invalid arg' in questions[0]
        assert "(failed: invalid arguments)" in questions[0]


# --- parameters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "given", "after"),
    [
        (TOP_K, "8", "8"),
        (TOP_K, 8, "8"),
        (TOP_K, 8.0, "8"),
        (TOP_K, "`8`", "8"),
        (TOP_K, "99", "99"),  # for the review to block
        (MODEL, "large", '"large"'),
        (MODEL, '"large"', '"large"'),
    ],
)
def test_a_value_is_read_as_json_however_it_is_given(address: str, given: Any, after: str) -> None:
    candidate = one(evidence("param"), said([edit(address, given)]))
    assert [each.after for each in candidate.edits] == [after]
    assert candidate.level == "param"


def test_the_level_is_that_of_the_highest_edit() -> None:
    wording = one(evidence("structure"), said([edit(TRIAGE, "New.")]))
    both = one(evidence("structure"), said([edit(TRIAGE, "New."), edit(TOP_K, 5)]))
    assert (wording.level, both.level) == ("prompt", "param")
    unchanged = one(evidence("structure"), said([edit(TRIAGE, "New."), edit(TOP_K, "4")]))
    assert (unchanged.level, len(unchanged.edits)) == ("prompt", 1)


# --- functions and operators --------------------------------------------------------------------------------


def test_a_function_is_rewritten_without_fence_and_indentation() -> None:
    body = "import re\n\n\ndef split(text: str) -> list[str]:\n    return re.findall(r'\\w+', text)\n"
    indented = "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
    for text in (body, f"```python\n{body}```", indented):
        candidate = one(evidence(), said([edit(SPLIT, text)]))
        assert candidate.edits == [Edit(address=SPLIT, before=SOURCE, after=body)]
        assert candidate.level == "structure"


def test_new_functions_and_prompt_files_are_created() -> None:
    helper = "app/pipeline.py::_check"
    edits = [
        edit(helper, "def _check(text: str) -> bool:\n    return bool(text)"),
        edit("prompts/new.md", "Hi"),
    ]
    candidate = one(evidence(), said(edits))
    assert [(each.address, each.before) for each in candidate.edits] == [(helper, ""), ("prompts/new.md", "")]
    assert [each.after[-1] for each in candidate.edits] == ["\n", "\n"]
    assert candidate.level == "structure"


PIPELINE = """
from PACKAGE.llm import complete


def answer(question: str) -> str:
    return complete(question)
"""


def test_an_operator_is_applied_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Operated(tmp_path, monkeypatch, PIPELINE)
    given = project.evidence("answer", [({"question": "How many?"}, "")])
    address = f"{project.pipeline}::answer"
    wanted = {
        "operator": "retry-on-invalid",
        "function": address,
        "attempts": 3,
        "choices": [],
        "json_fields": [],
        "hint": "",
    }
    answer = {"hypothesis": "It comes back empty.", "technique": "x", "edits": [], "operators": [wanted]}
    with scripted(message(tool_use(answer))) as server:
        (candidate,) = proposer(server, "anthropic:m").propose(given)
        schema = json.dumps(server.requests[0].body["tools"])
    assert candidate.technique == "retry-on-invalid"
    assert candidate.level == "structure"
    assert candidate.edits[0].address == address
    assert "# retry-on-invalid:" in candidate.edits[0].after
    assert "verify-and-revise" in schema


def test_two_operators_build_on_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Operated(tmp_path, monkeypatch, PIPELINE)
    given = project.evidence("answer", [({"question": "How many?"}, "")])
    wanted = [
        {"operator": "retry-on-invalid"},
        {"operator": "verify-and-revise", "checks": ["It is a number."]},
    ]
    candidate = one(given, said((), wanted))
    assert candidate.technique == "retry-on-invalid + verify-and-revise"
    (rewritten,) = [each for each in candidate.edits if each.address.endswith("::answer")]
    assert "# retry-on-invalid:" in rewritten.after
    assert "answer_2 = once_2(question)" in rewritten.after


def test_an_operator_that_does_not_fit_is_asked_for_once_more() -> None:
    bad = said((), [{"operator": "second-hop", "function": "app/nowhere.py::f"}])
    with asked(evidence(), bad, said([edit(SPLIT, SOURCE + "# more\n")])) as (candidates, questions):
        assert "cannot be used: the operator does not fit: no function" in questions[1]
    assert candidates[0].edits[0].address == SPLIT
    with pytest.raises(ProposalFailed, match="no operator 'magic'"):
        one(evidence(), said((), {"operator": "magic"}))


def test_what_is_proposed_fits_the_files_and_passes_the_review(tmp_path: Path) -> None:
    project = AgentProject(tmp_path)
    given = project.evidence("structure", creatable=["app/prompts/*.md"])
    store = ArtifactStore(project.root, project.settings().scope)
    rewritten = (
        "import re\n\ndef answer(ticket: str) -> str:\n    return json.dumps(re.sub(' +', ' ', ticket))"
    )
    helper = "def _short(text: str) -> str:\n    return text[:80]"
    proposals = {
        "param": [edit(PROJECT_TOP_K, 8)],
        "function": [edit(ANSWER, rewritten)],
        "helper": [
            edit(ANSWER, rewritten.replace("ticket))", "_short(ticket)))")),
            edit("app/pipeline.py::_short", helper),
        ],
        "prompt": [edit(PROMPT, "Sort the ticket into billing or shipping.\nTicket: {ticket}")],
    }
    files = {}
    for name, edits in proposals.items():
        candidate = one(given, said(edits))
        files[name] = store.render(candidate.edits)
        found = review(
            candidate, store=store, cases=project.cases(), settings=project.settings(), levels=LEVELS
        )
        assert found.verdict != "block", (name, found)
    assert files["param"] == {"app/settings.py": b"TOP_K = 8  # passages\n"}
    assert files["function"]["app/pipeline.py"].startswith(b'"""Answers."""\n\nimport json\nimport re\n')
    assert (
        b"def _short(text: str) -> str:\n    return text[:80]\n\n\ndef answer"
        in files["helper"]["app/pipeline.py"]
    )
    assert files["prompt"][PROMPT].endswith(b"{ticket}\n")


# --- examples -----------------------------------------------------------------------------------------------


def test_examples_are_asked_for_when_wording_brought_nothing() -> None:
    def tried(after: str, **more: Any) -> Any:
        attempt = an_attempt(after)
        return attempt.model_copy(
            update={"candidate": attempt.candidate.model_copy(update={"step": "triage", **more})}
        )

    nudge = "Give a proposal of the technique `demonstrations` now."
    wordings = [tried("a"), tried("b")]
    examples = [*wordings, tried("c", technique="demonstrations")]
    elsewhere = [tried("a"), tried("b", step="draft")]
    seen = {}
    for name, memory in {"vain": wordings, "tried": examples, "elsewhere": elsewhere}.items():
        with asked(evidence("prompt", memory=memory), said([edit(TRIAGE, "New.")])) as (_, questions):
            seen[name] = nudge in questions[0]
    assert seen == {"vain": True, "tried": False, "elsewhere": False}
    off = evidence("prompt", memory=wordings, demonstrations="off")
    with asked(off, said([edit(TRIAGE, "New.")])) as (_, questions):
        assert nudge not in questions[0]
        assert "Do not add examples" in questions[0]


def test_quoted_train_cases_are_named_where_they_may_be_quoted() -> None:
    pairs = [
        (an_item(1, expected="refund", actual="billing", message="My money back, please"), "billing"),
        (an_item(2, expected="billing", actual="billing", message="Where is the invoice?"), "billing"),
    ]
    text = TRIAGE_TEXT + "Example: my money  back, please -> refund\n"
    quoting = said([edit(TRIAGE, text)], technique="few-shot examples")
    free = one(an_evidence(pairs, demonstrations="train"), quoting)
    assert (free.demonstrations, free.technique) == (["case-1"], "demonstrations")
    made = one(an_evidence(pairs), quoting)
    assert (made.demonstrations, made.technique) == ([], "demonstrations")


# --- joint edits and repair ---------------------------------------------------------------------------------


def test_steps_at_fault_together_are_shown_and_edited_together() -> None:
    base = evidence("prompt")
    finding = base.cluster.findings[0].model_copy(
        update={"step": "draft", "expected": "Dear customer", "actual": "Hey"}
    )
    other = base.cluster.model_copy(
        update={"id": "k1/draft", "step": "draft", "findings": [finding], "artifacts": [DRAFT]}
    )
    given = base.model_copy(update={"together": [other]})
    both = said([edit(TRIAGE, "Sort."), edit(DRAFT, "Draft politely.")], technique="say how")
    with asked(given, both) as (candidates, questions):
        assert "several steps are wrong at once: triage, draft" in questions[0]
        assert '- it gave "Hey", right is "Dear customer"' in questions[0]
    assert candidates[0].technique == "joint-say-how"
    assert len(candidates[0].edits) == 2
    assert one(given, said([edit(TRIAGE, "Sort.")], technique="say how")).technique == "say-how"


def test_a_winner_that_broke_something_goes_back_with_just_that() -> None:
    given = evidence("prompt")
    first, second = TRIAGE_TEXT + "Always refund.\n", TRIAGE_TEXT + "Refund when asked for money.\n"
    broken = an_item(4, expected="billing", actual="refund", message="the broken one")
    secret = an_item(5, expected="billing", actual="refund", message="val secret", split="val")
    with scripted(said([edit(TRIAGE, first)]), said([edit(TRIAGE, second)])) as server:
        asking = proposer(server)
        (candidate,) = asking.propose(given)
        repair = Repair(candidate=candidate, broken=[broken, secret], broken_val=2, broken_holdout=True)
        fixed = asking.repair(repair, given)
        question = words_of(server.requests[1])
    assert fixed is not None
    assert fixed.edits == [Edit(address=TRIAGE, before=TRIAGE_TEXT, after=second)]
    assert "the broken one" in question
    assert "val secret" not in question
    assert "It also breaks 2 cases that you do not see." in question
    assert "Always refund." in question
    with scripted(said([edit(TRIAGE, first)])) as server:
        assert proposer(server).repair(repair, given) is None
    with scripted(said([])) as server:
        assert proposer(server).repair(repair, given) is None
