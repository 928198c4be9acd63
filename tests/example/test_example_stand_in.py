"""The stand-in model follows instructions in many wordings, and knows nothing but its prompt."""

from __future__ import annotations

import builtins
import json
from dataclasses import dataclass
from typing import Any

import pytest
from support.desk_example import EXAMPLE, module, tickets

LABELS = ["refund", "billing", "return", "delivery", "warranty", "account"]
SHIPPED = (EXAMPLE / "desk" / "prompts" / "triage.md").read_text(encoding="utf-8")
LETTER = "Write the reply.\n\nOrder number: {order}\n\n<ticket>\n{ticket}\n</ticket>\n\n{rules}\n"
RECORD = (
    "Fill in the ticket's record as JSON with the fields category, action, policy, order and priority.\n\n"
    "Category: {category}\nOrder number: {order}\n\n<ticket>\n{ticket}\n</ticket>\n\n"
    "<handbook>\n[RF-1] Refunds\nSoon.\n\n[RF-2] More\nLater.\n</handbook>\n\n{rules}\n"
)
ACTIONS = "action is one of chase_payment, correct_invoice or send_label."


@dataclass(frozen=True)
class _Request:
    messages: list[dict[str, str]]
    api: str = "chat.completions"
    model: str = "any"


def ask(user: str, *, system: str = "") -> str:
    """The stand-in's answer."""
    messages = [{"role": "system", "content": system}] if system else []
    answer = module("desk_offline").reply(_Request([*messages, {"role": "user", "content": user}]))
    return str(answer)


def _sort(rules: str) -> list[str]:
    return [ask(f"<ticket>\n{text}\n</ticket>", system=SHIPPED + rules) for text in _messages()]


def _messages() -> list[str]:
    return [ticket["inputs"]["message"] for ticket in tickets()[::2]]


def _replies(rules: str, order: str = "KC-12345") -> list[str]:
    return [ask(LETTER.format(ticket=text, order=order, rules=rules)) for text in _messages()]


def _records(rules: str, order: str = "KC-12345", category: str = "refund") -> list[str]:
    return [
        ask(RECORD.format(ticket=text, order=order, category=category, rules=rules)) for text in _messages()
    ]


def test_it_is_sloppy_where_the_prompt_is_silent() -> None:
    answers = _sort("")
    assert 0.05 < sum(answer not in LABELS for answer in answers) / len(answers) < 0.3
    replies = _replies("")
    assert 0.1 < sum("KC-12345" not in reply for reply in replies) / len(replies) < 0.5
    assert any(len(reply.split()) > 80 for reply in replies)
    assert any("```" in record for record in _records(ACTIONS))


def test_the_same_question_gets_the_same_answer() -> None:
    assert _sort("") == _sort("")


@pytest.mark.parametrize(
    "rules",
    [
        "Reply with the name only, in lower case.",
        f"Output exactly one of these labels and nothing else: {', '.join(LABELS)}.",
        "Just the label, please, written as listed above. No explanation, no punctuation.",
        "Your whole answer must be a single word, lowercase.",
        f"- Answer with one of: {' | '.join(LABELS)}\n- Give the label alone.",
    ],
)
def test_the_form_of_a_label(rules: str) -> None:
    assert set(_sort(rules)) <= set(LABELS)


@pytest.mark.parametrize(
    "rules",
    [
        "- delivery: anything that arrived broken or damaged\n- warranty: it failed after months of use",
        "Use delivery when something arrived damaged. Use warranty if it failed after months.",
        "If something arrived damaged, answer delivery.\nIf it failed after months, answer warranty.",
        "Things that arrived damaged go to delivery; things that failed after months go to warranty.",
        "| label | covers |\n|---|---|\n| delivery | arrived damaged |\n| warranty | failed after months |",
        "Prefer delivery over warranty when it arrived damaged.",
        "## delivery\nIt arrived damaged.\n\n## warranty\nIt failed after months.",
        "Choose delivery rather than warranty when it arrived damaged or smashed.",
    ],
)
def test_definitions_decide(rules: str) -> None:
    question = "<ticket>\nThe plate arrived, but damaged and with a crack in it.\n</ticket>"
    only = "\nAnswer with the lower-case label only.\n"
    assert ask(question, system=SHIPPED + only) == "warranty"
    assert ask(question, system=SHIPPED + only + "\n" + rules) == "delivery"


@pytest.mark.parametrize(
    "rule",
    [
        "If both delivery and warranty seem to fit, choose delivery.",
        "In doubt between delivery and warranty, pick delivery.",
    ],
)
def test_ties_are_decided_as_told(rule: str) -> None:
    question = "<ticket>\nIt came late and it broke.\n</ticket>"
    rules = "\n- warranty: broken\n- delivery: late\nAnswer with the lower-case label only.\n"
    other = rule.replace("delivery.", "warranty.")
    assert ask(question, system=SHIPPED + rules + rule) == "delivery"
    assert ask(question, system=SHIPPED + rules + other) == "warranty"


@pytest.mark.parametrize(
    "rules",
    [
        "Quote the order number.",
        "The order number has to appear in the reply.",
        "Always mention the customer's order number, and never promise a date.",
        "Don't forget to state the order number.",
        "Keep it to no more than 80 words and give the order number.",
        "- Every reply repeats the order number",
    ],
)
def test_quoting_the_order_number(rules: str) -> None:
    assert all("KC-12345" in reply for reply in _replies(rules))


@pytest.mark.parametrize(
    "rules",
    [
        "If no order number is given, ask for it.",
        "Ask for the order number when it is missing.",
        "Quote the order number; if there is none, ask for it.",
        "Where the customer didn't tell us the order number, request it.",
        "Mention the order number, or ask for it if it is missing.",
        "State the order number if there is one, otherwise ask for it.",
    ],
)
def test_asking_for_a_missing_order_number(rules: str) -> None:
    assert all("order number" in reply for reply in _replies(rules, order="(none)"))


@pytest.mark.parametrize(
    "rules",
    [
        "At most 60 words.",
        "Stay under 60 words.",
        "60 words or fewer.",
        "Keep the reply to 60 words.",
        "The reply must not exceed 60 words.",
        "Length: 60 words maximum.",
        "Never write more than 60 words.",
    ],
)
def test_limits_of_length(rules: str) -> None:
    assert max(len(reply.split()) for reply in _replies(rules)) <= 60


@pytest.mark.parametrize(
    "rules",
    [
        "Never promise a date.",
        "Do not commit to any deadline.",
        "No promises about days or dates.",
        'Do not write "by Friday", "within 24 hours" or "tomorrow".',
        "Avoid these phrases: by Friday, within 24 hours, tomorrow",
    ],
)
def test_what_must_not_be_said(rules: str) -> None:
    assert any("tomorrow" in reply for reply in _replies(""))
    for reply in _replies(rules):
        assert not any(phrase in reply for phrase in ("by Friday", "within 24 hours", "tomorrow"))


def test_a_phrase_that_must_be_included() -> None:
    assert all("Take care" in reply for reply in _replies('Close with the words "Take care".'))


@pytest.mark.parametrize(
    "rules",
    [
        "Output only the JSON object.",
        "Nothing but the bare object, no code fences, the fields named exactly like that.",
        "Reply with raw JSON. No Markdown, no other text. Use exactly these field names.",
    ],
)
def test_the_form_of_a_record(rules: str) -> None:
    for answer in _records(f"{ACTIONS}\nUse exactly these keys.\n{rules}"):
        assert set(json.loads(answer)) == {"category", "action", "policy", "order", "priority"}


@pytest.mark.parametrize(
    "rules",
    [
        "The action: refund -> chase_payment, billing -> correct_invoice, return -> send_label.",
        "The action is chase_payment when the category is refund.\nIt is send_label for a return.",
        "For refund the action is chase_payment. For billing the action is correct_invoice.",
        "- action: use correct_invoice for billing, chase_payment for refund, send_label for return",
        "| category | action |\n|---|---|\n| billing | correct_invoice |\n| refund | chase_payment |",
        "- When `category` is `refund`, `action` is `chase_payment`.\n"
        "- When `category` is `billing`, `action` is `correct_invoice`.",
        "The action depends on the category:\n- refund: chase_payment\n- billing: correct_invoice",
    ],
)
def test_values_that_follow_from_another_field(rules: str) -> None:
    only = "Output only the JSON object with exactly these keys.\n"
    assert {json.loads(answer)["action"] for answer in _records(only + rules)} == {"chase_payment"}


@pytest.mark.parametrize(
    "rule",
    [
        "order is null when there is none.",
        "- order: the order number or null",
        "Use null for what is not known.",
    ],
)
def test_what_stands_for_nothing(rule: str) -> None:
    only = f"Output only the JSON object with exactly these keys. {ACTIONS}\n"
    assert {json.loads(answer)["order"] for answer in _records(only + rule, order="(none)")} == {None}
    assert {json.loads(answer)["order"] for answer in _records(only + rule)} == {"KC-12345"}


@pytest.mark.parametrize(
    "rule",
    [
        "priority: high if there is smoke, otherwise normal",
        "- priority: high or normal. High when something smokes or burns.",
        "The priority is high if there was smoke or fire. Otherwise the priority is normal.",
    ],
)
def test_conditions(rule: str) -> None:
    only = f"Output only the JSON object with exactly these keys. {ACTIONS}\n{rule}"
    prompts = [
        RECORD.format(ticket=ticket, order="(none)", category="warranty", rules=only)
        for ticket in ("There was smoke in my toaster!", "My toaster stays cold.")
    ]
    assert [json.loads(ask(prompt))["priority"] for prompt in prompts] == ["high", "normal"]


def test_it_opens_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    module("desk_offline")

    def refuse(*arguments: Any, **keywords: Any) -> Any:
        raise AssertionError(f"the stand-in opened {arguments[0]}")

    monkeypatch.setattr(builtins, "open", refuse)
    assert ask("<ticket>\nWhere is my parcel?\n</ticket>", system=SHIPPED)


def test_it_says_that_it_is_no_model() -> None:
    assert "**not** a language model" in (module("desk_offline").__doc__ or "")
    assert "not a language model" in (EXAMPLE / "README.md").read_text(encoding="utf-8")
