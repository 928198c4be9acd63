"""The content of a snapshot, and how little of it changes with a prompt."""

from __future__ import annotations

import difflib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from support.handmade import call
from support.snapshot_samples import REPLY, SORT, Made, artifacts, asking, baseline_of, desk, param

from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.baseline import CaseBaseline
from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.record import SPLITS
from pytest_fapo.views.snapshots.snapshot_files import Snapshots
from pytest_fapo.views.snapshots.step_graph import StepGraph


def page(
    made: Made,
    prompts: list[Artifact] | None = None,
    pipeline: str = "desk",
    *,
    sample: str = "",
    **more: Any,
) -> str:
    baseline = baseline_of(made.evaluation)
    found = artifacts() if prompts is None else prompts
    return Snapshots(Path(), made.evaluation, baseline, found, **more).page(pipeline, sample).text


def section(text: str, title: str) -> str:
    """Return the text below a heading that begins with `title`."""
    return text.partition(f"\n## {title}")[2].partition("\n## ")[0].partition("\n<!-- ")[0]


def test_it_shows_scores_steps_and_prompts_of_the_first_train_case() -> None:
    text = page(desk().run("V-1", [], split="val", passed=False).run("H-1", [], split="holdout"))
    assert text.startswith("# `desk`\n")
    assert "| train | 2 | 100.0 % |\n| val | 1 | 0.0 % |\n| holdout | 1 | 100.0 % |" in text
    assert "| tag `pans` | 2 | 100.0 % |" in text
    assert "- `sort`: asks `small`\n- `answer`: gets the output of `sort`; asks `small`\n" in text
    assert "```mermaid\nflowchart LR\n  sort --> answer\n```" in text
    prompts = section(text, "Prompts, as sent for case `T-2`")
    assert "### `sort`\n\nAsks `small`.\n\n**user**, from `app/sort.md`:\n\n```text\nYou sort" in prompts
    assert "Ticket: The pan of order T-2 is broken.\n```" in prompts
    assert "T-10" not in text
    assert "Check this reply" in section(text, "Prompts not sent for case `T-2`")


def test_scores_are_weighted_by_case_and_metrics_are_not() -> None:
    made = Made().run("T-1", [], weight=3.0, tags=["a"]).run("T-2", [], passed=False, tags=["a", "b|c"])
    baseline = baseline_of(made.evaluation)
    for case, brevity in zip(baseline.pipelines["desk"].cases["train"].values(), (0.5, 0.25), strict=True):
        case.scores["brevity"] = brevity
    baseline.pipelines["desk"].cases["train"]["T-3"] = CaseBaseline(items={"t[T-3]": "skipped"}, tags=["a"])
    text = Snapshots(Path(), made.evaluation, baseline, []).page("desk").text
    assert "| tag `a` | 2 | 75.0 % |\n| tag `b\\|c` | 1 | 0.0 % |\n| metric `brevity` | 2 | 0.375 |" in text


def test_one_changed_line_of_a_prompt_changes_that_line_and_its_digests() -> None:
    wording = SORT.replace("refund or billing", "refund, billing or delivery")
    before = page(desk(), artifacts())
    after = page(desk(sort=wording), artifacts(sort=wording))
    changed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert [line[2:].split(" ")[0] for line in changed] == ["Name"] * 2 + ["artifact"] * 2 + ["call"] * 2


def test_a_models_own_words_do_not_stand_in_later_prompts() -> None:
    first, second = desk(words="We are sorry."), desk(team="billing", words="A new answer of many words.")
    assert "Write a kind reply for team ⟨answer of sort⟩." in page(first)
    one, two = (page(made).partition("<!-- ")[0] for made in (first, second))
    assert one == two


def test_an_answer_is_told_apart_also_without_a_prompt_file() -> None:
    said = "The customer wants the money for a broken pan back."
    steps = [asking("sum_up", "Sum up: my pan broke", said), asking("act", f"Act on this: {said} Now.", "ok")]
    text = page(Made().run("T-1", steps, inputs="my pan broke"), [])
    assert "Act on this: ⟨answer of sum_up⟩ Now." in text


def test_words_of_an_answer_that_stood_in_the_question_are_left() -> None:
    passage = "A device that stopped working is repaired free of charge."
    steps = [asking("choose", f"Choose one: {passage}", passage), asking("act", f"By this: {passage}", "ok")]
    assert f"By this: {passage}" in page(Made().run("T-1", steps), [])


def test_values_inside_an_answer_of_json_are_told_apart() -> None:
    steps = [
        asking("plan", "Plan it", '{"goal": "find out where the parcel is"}'),
        asking("act", "Your goal: find out where the parcel is", "done"),
    ]
    assert "Your goal: ⟨answer of plan⟩" in page(Made().run("T-1", steps), [])


def test_the_moment_of_the_run_is_left_out_and_the_projects_own_dates_stay(tmp_path: Path) -> None:
    prompt = (
        f"Today is 2026-11-24, 10:44:12. Run 0f8fad5b-d9cb-469f-a165-70867728950e in {tmp_path}/data. "
        "Bought on 2025-03-01. Sale until 1 May 2030."
    )
    made = Made().run("T-1", [asking("act", prompt, "ok")], inputs={"bought": "2025-03-01"})
    text = page(made, [*artifacts(reply="The sale: 1 May 2030")], root=tmp_path)
    assert (
        "Today is ⟨date⟩, ⟨time⟩. Run ⟨id⟩ in ⟨project⟩/data. Bought on 2025-03-01. Sale until 1 May 2030."
        in text
    )


def test_folders_of_this_machine_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/users/zoe")
    monkeypatch.setattr(tempfile, "tempdir", "/scratch")
    prompt = f"See {tmp_path}/a.txt, {tmp_path}2/a.txt, /scratch/x-81/b.txt, /users/zoe/c and /scratch/kept."
    made = Made().run("T-1", [asking("act", prompt, "ok")])
    text = page(made, [*artifacts(reply="It lies in /scratch/kept.")], root=tmp_path)
    assert f"See ⟨project⟩/a.txt, {tmp_path}2/a.txt, ⟨temporary file⟩, ⟨home⟩/c and /scratch/kept." in text


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("---\nname: act\n---\nYou act for a shop.\n", "You act for a shop."),
        (
            "You act for a shop.\n\n{% for x in y %}\n- {{ x }}\n{% endfor %}\n",
            "You act for a shop.\n\n- one",
        ),
        (
            "You act for a shop. You\nare kind to everybody.\n",
            "  You act for a shop. You are kind to everybody.",
        ),
        ('You act for $shop. Say {{"a": %(value)s}}.\n', 'You act for Kettle. Say {"a": 5}.'),
    ],
)
def test_a_prompt_is_known_in_the_form_in_which_it_is_sent(prompt: str, sent: str) -> None:
    text = page(Made().run("T-1", [asking("act", sent, "ok")]), artifacts(reply=prompt))
    assert "**user**, from `app/reply.md`:" in text
    assert "### `app/reply.md`" not in text


def test_an_agents_later_calls_show_what_is_new() -> None:
    opening: list[Any] = [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": "Go"},
    ]
    asked = {"id": "call_9", "function": {"name": "look", "arguments": '{"at": "shelf"}'}}
    told = {"role": "tool", "tool_call_id": "call_9", "content": "empty"}
    turns = [*opening, {"role": "assistant", "content": None, "tool_calls": [asked]}, told]
    calls = [
        call("", None, messages=opening, model="small", parameters={"temperature": 0.2}, offered=["look"]),
        call("", "Nothing there.", messages=turns, model="small", parameters={"temperature": 0.2}),
    ]
    text = page(Made().run("T-1", [{"name": "agent", "calls": calls}]), [])
    assert text.count("You are an agent.") == 1
    assert "Asks `small`, `temperature=0.2`, with the tools `look`." in text
    later = text.partition("### `agent`, prompt 2")[2]
    assert (
        'with:\n\n**assistant**:\n\n```text\nlook({"at": "shelf"})\n```\n\n**tool**:\n\n```text\nempty'
        in later
    )
    assert "call_9" not in text


def test_equal_questions_stand_once_and_many_different_ones_are_cut() -> None:
    same = {"name": "vote", "calls": [call("Which?", f"answer {n}") for n in range(5)]}
    many = {"name": "read", "calls": [call(f"Read part {n}", "done") for n in range(9)]}
    text = page(Made().run("T-1", [same, many]), [])
    assert text.count("Which?") == 1
    assert "Asks `chat.completions`, 5 times." in text
    assert [f"Read part {n}" in text for n in range(9)] == [True] * 4 + [False] * 5
    assert "The same step asks more, which is not shown." in text


def test_a_failed_call_that_was_made_again_is_not_shown() -> None:
    failed = call("Which?", None, error="HTTP 500", status=500)
    once = page(Made().run("T-1", [{"name": "vote", "calls": [call("Which?", "a")]}]), [])
    again = page(Made().run("T-1", [{"name": "vote", "calls": [failed, call("Which?", "a")]}]), [])
    assert once == again


def test_calls_of_a_helper_are_told_by_who_called_it() -> None:
    steps: list[dict[str, Any]] = [
        {"name": "handle"},
        {"name": "sort", "parent": "handle"},
        {"name": "ask", "parent": "sort", "calls": [call("Sort it", "x")]},
        {"name": "answer", "parent": "handle"},
    ]
    inner = {"name": "ask", "parent": "answer", "calls": [call("Answer it", "y")]}
    text = page(Made().run("T-1", [*steps, inner]), [])
    assert "### `sort` › `ask`\n" in text
    assert "### `answer` › `ask`\n" in text
    assert "- `handle`\n  - `sort`\n    - `ask`\n  - `answer`\n    - `ask`\n" in text


def test_a_value_comes_from_the_step_that_passed_its_helpers_answer_on() -> None:
    steps: list[dict[str, Any]] = [
        {"name": "handle", "output": "Dear customer"},
        {"name": "sort", "parent": "handle", "output": "refund"},
        {"name": "ask", "parent": "sort", "calls": [call("Sort it", "refund ")], "output": "refund"},
        {"name": "answer", "parent": "handle", "inputs": {"team": "refund"}, "output": "Dear customer"},
        asking("write", "For the team refund, as it says.", "Dear customer")
        | {"parent": "answer", "inputs": {"team": "refund"}},
        {"name": "check", "parent": "handle", "inputs": {"reply": "Dear customer"}},
    ]
    prompt = "For the team {team}, as it says."
    text = page(Made().run("T-1", steps), artifacts(reply=prompt))
    assert "For the team ⟨answer of sort⟩, as it says." in text
    assert "  - `answer`: gets the output of `sort`\n    - `write`: asks `small`\n" in text
    assert "flowchart LR\n  sort --> answer\n  answer --> check\n```" in text


@pytest.mark.parametrize("as_text", [False, True])
def test_a_step_that_gets_one_field_of_anothers_json_is_linked_to_it(as_text: bool) -> None:
    facts = {"order": {"number": "K-1510"}, "question": "Where is it?", "tags": ["urgent"]}
    steps: list[dict[str, Any]] = [
        {"name": "read", "inputs": {"mail": "x"}, "output": json.dumps(facts) if as_text else facts},
        {"name": "look", "inputs": {"number": "K-1510"}, "output": "shipped"},
        {"name": "answer", "inputs": {"question": "Where is it?"}, "output": "It is on its way."},
    ]
    made = Made().run("T-1", steps)
    (trace,) = made.evaluation.traces.values()
    assert (
        StepGraph([trace]).as_diagram()
        == "```mermaid\nflowchart LR\n  read --> look\n  read --> answer\n```\n"
    )
    given = trace.model_copy(update={"inputs": {"question": "Where is it?"}})
    assert "read --> answer" not in StepGraph([given]).as_diagram(), "the case itself gave the question"


def test_nothing_of_a_held_out_case_is_shown_but_the_score() -> None:
    made = desk(cases=())
    for split in SPLITS[1:]:
        secret = asking("sort", f"secret question {split}", f"secret answer {split}")
        made.run(f"secret-{split}", [secret], split=split, inputs=f"secret {split}")
    text = page(made)
    assert "secret" not in text
    assert "| holdout | 1 | 100.0 % |" in text
    assert "## Prompts, as they stand\n\n### `app/sort.md`\n\n```text\nYou sort" in text


def test_each_pipeline_shows_its_own_prompts() -> None:
    made = desk().run(
        "C-1", [asking("check", "Check this reply for promises.\n\n<reply>\nx\n</reply>", "ok")]
    )
    for trace_id, item in [("desk C-1", "test_desk.py::test_reply[C-1]")]:
        made.evaluation.traces[trace_id].pipeline = "checker"
        made.evaluation.items[item].pipeline = "checker"
    first, second = page(made), page(made, pipeline="checker")
    assert "Check this reply" not in first
    assert "app/check.md" not in first
    assert "You sort" not in second
    assert "### `check`" in second


def test_parameters_are_shown_and_credentials_not() -> None:
    settings = [param("app/settings.py::TOP_K", "3"), param("config.yaml::llm.api_key", '"hunter2"')]
    secret = "sk-" + "a1b2c3d4" * 3
    text = page(
        desk(),
        [*artifacts(check=f"The key of the shop is {secret} and Zoe"), *settings],
        redactor=Redactor(["Zoe"]),
    )
    assert "| `app/settings.py::TOP_K` | `3` |" in text
    assert "| `config.yaml::llm.api_key` | `[redacted]` |" in text
    assert "The key of the shop is [redacted] and [redacted]" in text


def test_a_prompt_of_which_words_are_redacted_is_known_all_the_same() -> None:
    prompt = "You speak for Zoe and nobody else. The ticket: {ticket}"
    steps = [asking("act", "You speak for [redacted] and nobody else. The ticket: it broke", "ok")]
    text = page(Made().run("T-1", steps), artifacts(reply=prompt), redactor=Redactor(["Zoe"]))
    assert "**user**, from `app/reply.md`:" in text
    assert "### `app/reply.md`" not in text


def test_a_long_value_is_cut_and_the_prompts_own_words_are_not() -> None:
    long = "\n".join(f"line {number} of a long document" for number in range(500))
    prompt = f"Answer from this document.\n{{document}}\n{'Be brief. ' * 300}End of the prompt."
    made = Made().run("T-1", [asking("act", prompt.format(document=long), "ok")])
    text = page(made, [*artifacts(reply=prompt)])
    assert "line 3 of" in text
    assert "line 250 of" not in text
    assert "line 499 of a long document" in text
    assert "⟨left out⟩" in text
    assert text.count("Be brief. ") == 300


def test_the_same_run_gives_the_same_page_in_whatever_order_it_was_recorded() -> None:
    made = desk()
    turned = Made()
    for kind in ("items", "cases", "traces"):
        getattr(turned.evaluation, kind).update(reversed(list(getattr(made.evaluation, kind).items())))
    assert page(made) == page(turned)


HOSTILE = (
    "``` \n````\n# Heading\n<!-- x --> --> <script>alert(1)</script>\n| a | b |\n\u202egnirts\x1b[31m `code`"
)


def test_no_prompt_breaks_out_of_its_block() -> None:
    markdown_it = pytest.importorskip("markdown_it")
    name = "we`ird | [x](y) <b>"
    made = Made().run("a --> `b`", [asking(name, HOSTILE, "x"), asking("more", HOSTILE + REPLY, "y")])
    text = page(made, artifacts(check=HOSTILE + "check the reply"))
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(text)
    titles = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]
    assert titles == [
        "`desk`",
        "Scores",
        "Steps",
        "Prompts, as sent for case `` a --> `b` ``",
        "``we`ird | [x](y) <b>``",
        "`more`",
        "Prompts not sent for case `` a --> `b` ``",
        "`app/sort.md`",
        "`app/check.md`",
    ]
    fences = [token.content for token in tokens if token.type == "fence" and token.info == "text"]
    assert sum("# Heading\n<!-- x --> --> <script>" in content for content in fences) == 3
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert "\u202e" not in text
    assert "\x1b" not in text
    html = [token.content for token in tokens if token.type == "html_block"]
    assert len(html) == 1
    assert html[0].startswith("<!-- pytest-fapo snapshot")
    assert html[0].rstrip().endswith("-->")
    assert html[0].count("-->") == 1
