"""Sections in prompts: where they go, how they look, that nothing else changes and nothing breaks."""

from __future__ import annotations

import difflib
import inspect
import string

import pytest

from pytest_fapo.propose.playbook.prompt_document import PromptDocument, PromptTemplate

RULES = ["Answer with one of a, b or c.", "Write nothing else."]


def _with(text: str, lines: list[str] | None = None) -> str:
    return PromptDocument(text).with_section("Allowed answers", lines or RULES)


def test_a_system_prompt_gets_the_section_at_its_end() -> None:
    assert _with("You sort mail.\n") == (
        "You sort mail.\n\nAllowed answers:\n- Answer with one of a, b or c.\n- Write nothing else.\n"
    )


def test_no_final_newline_stays_none() -> None:
    assert not _with("You sort mail.").endswith("\n")


@pytest.mark.parametrize(
    "text",
    [
        "You sort mail.\n\nMail: {mail}",
        "You sort mail.\n\nMail:\n\n{mail}\n",
        "You sort mail.\n\n<mail>\n{mail}\n</mail>\n\nAnswer:\n",
        "You sort mail.\n\n```\n{mail}\n```\n",
        "You sort mail.\n\nSubject: {subject}\nMail: {mail}\nLabel:",
    ],
)
def test_data_at_the_end_stays_at_the_end(text: str) -> None:
    changed = _with(text)
    assert changed.startswith("You sort mail.\n\nAllowed answers:\n- Answer with one of")
    assert changed.endswith(text.removeprefix("You sort mail."))


def test_data_before_the_instructions_gets_the_section_after_them() -> None:
    text = "Mail: {mail}\n\nSort the mail above into one of our queues, please, and answer with its name."
    assert _with(text).startswith(text + "\n\nAllowed answers:")


def test_a_single_line_with_its_data_keeps_both() -> None:
    assert _with("Sort this mail: {mail}").startswith("Sort this mail: {mail}\n\nAllowed answers:")


def test_markdown_prompts_get_a_heading_of_their_level() -> None:
    text = "# Mail desk\n\nYou sort mail.\n\n## Style\n\n* be brief\n"
    assert "\n\n## Allowed answers\n* Answer with" in _with(text)


def test_a_second_proposal_revises_the_section_of_the_first() -> None:
    once = _with("You sort mail.\n\nMail: {mail}")
    twice = _with(once, ["Answer with one of a or d."])
    assert twice.count("Allowed answers") == 1
    assert "a, b or c" not in twice
    assert twice == _with(twice, ["Answer with one of a or d."])
    assert PromptDocument(twice).section_lines("Allowed answers") == ["Answer with one of a or d."]


def test_an_authors_own_section_of_that_name_is_left_alone() -> None:
    text = "Allowed answers:\nThose that our customers understand.\n"
    changed = _with(text)
    assert changed.startswith(text.rstrip())
    assert "- Answer with" in changed


def test_windows_line_ends_are_kept() -> None:
    changed = _with("You sort mail.\r\n\r\nMail: {mail}\r\n")
    assert "\n" not in changed.replace("\r\n", "")


def test_braces_are_escaped_where_the_prompt_is_formatted() -> None:
    changed = _with("Sort. Mail: {mail}", ['Answer {"a": 1}.'])
    assert changed.format(mail="x").endswith('- Answer {"a": 1}.')
    assert PromptDocument(changed).section_lines("Allowed answers") == ['Answer {"a": 1}.']


def test_other_template_styles_are_escaped_their_way() -> None:
    assert string.Template(_with("Sort. $mail", ["It costs $5."])).substitute(mail="x").endswith("costs $5.")
    assert (_with("Sort. %(mail)s", ["It is 5%."]) % {"mail": "x"}).endswith("It is 5%.")
    assert "{{mail}}" in _with("Sort. {{mail}}", ["Answer {a}."])


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("Sort {mail}", "format"),
        ('Sort {mail} as {{"a": 1}}', "format"),
        ('Sort {mail} as {"a": 1}', "replace"),
        ("Sort {{ mail }}", "jinja"),
        ("{% if x %}Sort{% endif %} {{ mail }}", "jinja"),
        ("Sort ${mail} and $other", "dollar"),
        ("Sort %(mail)s", "percent"),
        ("Sort the mail", "plain"),
        ('Answer as {"a": 1}', "plain"),
    ],
)
def test_the_style_of_placeholders(text: str, style: str) -> None:
    assert PromptTemplate(text).style == style


def test_what_a_call_filled_in() -> None:
    template = PromptTemplate("Sort.\n\nOrder number: {order}\n\nMail: {mail}\n\nAnswer as {{x}}:")
    message = "Sort.\nOrder number: (none)\nMail: hello\nthere\n\nAnswer as {x}:"
    assert template.filled(message) == {"order": "(none)", "mail": "hello\nthere"}
    assert template.filled("something else") == {}
    assert template.caption("order") == "Order number"


INDENTED = [
    "Sort the ticket.\n\n    Ticket: {ticket}",
    "\n    Sort the ticket.\n\n    Ticket: {ticket}\n    ",
    "\n    Sort the ticket.\n      - by team\n   \n    Ticket: {ticket}\n",
    "Sort the ticket.\r\n\r\n\tTicket: {ticket}\r\n\t",
    "\n        You sort tickets.\n\n        Be polite.\n        ",
]


@pytest.mark.parametrize("text", INDENTED)
def test_a_text_that_is_indented_with_its_code_stays_so(text: str) -> None:
    changed = _with(text)
    flush = inspect.cleandoc(text.replace("\r\n", "\n"))
    assert inspect.cleandoc(changed.replace("\r\n", "\n")) == _with(flush)
    compared = difflib.ndiff(text.splitlines(keepends=True), changed.splitlines(keepends=True))
    lost = [line for line in compared if line.startswith("- ")]
    assert not [line for line in lost if line[2:].strip()], "a line of the author was changed"
    assert PromptDocument(changed).section_lines("Allowed answers") == RULES


def test_a_list_that_is_indented_is_not_the_text() -> None:
    assert (
        PromptDocument("Do this:\n  - read\n  - sort")
        .with_section("Form", ["One word."])
        .endswith("\n\nForm:\n- One word.")
    )
