"""The form of single values: identifiers, dates, numbers, casing, length, and what stands for "none"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pytest_fapo.diagnosis.label_values import AnyOf
from pytest_fapo.diagnosis.loose_values import alike, is_blank, mentions, plain, same, to_dates, to_number
from pytest_fapo.propose.playbook.answer_contract import contract_labels, fields_in_question
from pytest_fapo.propose.playbook.list_form import list_lines
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence, StepCase

NAME = "value form"

_SIGNS = {
    "-": "a hyphen",
    "_": "an underscore",
    "/": "a slash",
    ".": "a dot",
    "#": "a hash sign",
    ":": "a colon",
}


def value_form(view: PromptEvidence) -> Iterator[Advice]:
    """Say in which form a value is due where right values come in another one, or none is due."""
    for name in fields_in_question(view):
        values = [view.expected(seen, name) for seen in view.labeled(name)]
        lines = value_lines(view, name, values)
        if not lines:
            continue
        fixes = frozenset(
            nodeid for seen in view.targets if _form_only(view, seen, name) for nodeid in seen.targets
        )
        if not fixes and view.cluster.category == "label":
            continue
        caption = view.caption(name)
        yield Advice(
            NAME,
            f"Form of {caption}" if _subject(view, name).startswith('"') else "Form of the answer",
            lines,
            f"The values of {caption} are right but in another form; stating the form should fix that.",
            fixes=fixes,
        )


def value_lines(view: PromptEvidence, name: str, values: list[Any]) -> list[str]:
    """Return the rules of form that all expected values of a field keep."""
    subject = _subject(view, name)
    references = [each for value in values for each in (value if isinstance(value, AnyOf) else [value])]
    filled = [value for value in references if not is_blank(value)]
    lines: list[str] = []
    source = _copied_from(view, name)
    if source:
        lines.append(f"{subject} is the {view.called(source)} that you were given, copied unchanged.")
    if len(filled) >= 2 and not contract_labels(view, name):
        lines += _shape_lines(view, name, subject, filled)
    lines += _none_lines(view, name, subject, values)
    return lines


def _subject(view: PromptEvidence, name: str) -> str:
    if view.answers_json and name:
        return view.caption(name)
    if view.on_last_line:
        return "The last line of the answer"
    return f"The {view.caption(name)}" if name and len(view.own_fields) > 1 else "The answer"


def _copied_from(view: PromptEvidence, name: str) -> str:
    """Return the given value that the field repeats in (nearly) all train cases; empty where there is
    none.
    """
    rows = [seen for seen in view.labeled(name) if not is_blank(view.expected(seen, name))]
    if not view.answers_json or len({plain(view.expected(seen, name)) for seen in rows}) < 2:
        return ""
    for variable in view.variables:
        hits = sum(same(view.expected(seen, name), view.given(seen).get(variable)) for seen in rows)
        if len(rows) >= 4 and hits >= 0.9 * len(rows):
            return variable
    return ""


def _shape_lines(view: PromptEvidence, name: str, subject: str, values: list[Any]) -> list[str]:
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return [_number_line(subject, values, quoted=False, json=view.answers_json)]
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values):
        return list_lines(view, name, subject, values)
    if all(re.fullmatch(r"\d{4}-\d\d-\d\d", text) for text in texts):
        return [
            f"{subject} is a date written as YYYY-MM-DD (year, month, day, with leading zeros).",
            *_day_first(view),
        ]
    if all(to_dates(text) for text in texts) and (pattern := _date_pattern(texts)):
        return [f"{subject} is a date written as {pattern}."]
    if all(re.fullmatch(r"[-+]?[\d.,]+", text) for text in texts):
        return [_number_line(subject, texts, quoted=True, json=view.answers_json)]
    made_of = identifier(texts)
    if made_of:
        source = ", copied exactly as it is given" if _given(view, texts) else ""
        return [f"{subject} is the bare identifier ({made_of}){source}, without a title or any other text."]
    return _text_lines(subject, texts)


def _number_line(subject: str, values: list[Any], *, quoted: bool, json: bool) -> str:
    decimals = {len(plain(value).partition(".")[2]) for value in values}
    whole = decimals == {0}
    kind = "a whole number" if whole else "a number with a point as decimal separator"
    if not whole and len(decimals) == 1:
        kind = f"a number with {max(decimals)} digits after the decimal point"
    form = "in digits, without currency, unit, thousands separators or words"
    bare = " and not in quotation marks" if json and not quoted else ""
    return f"{subject} is {kind}, {form}{bare}."


def _date_pattern(texts: list[str]) -> str:
    for pattern, words in (
        (r"\d\d/\d\d/\d{4}", "two digits, two digits and the year, parted by slashes"),
        (r"\d\d\.\d\d\.\d{4}", _dotted(texts)),
        (r"\d{1,2} [A-Z][a-z]+ \d{4}", "day, name of the month and year, such as 5 March 2031"),
    ):
        if all(re.fullmatch(pattern, text) for text in texts):
            return words
    return ""


def _dotted(texts: list[str]) -> str:
    """Return which of the two numbers is the day, if a date shows it by a number that no month has."""
    first, second = ({text[start : start + 2] for text in texts} for start in (0, 3))
    if max(first) > "12" >= max(second):
        return "DD.MM.YYYY (day, month, year)"
    if max(second) > "12" >= max(first):
        return "MM.DD.YYYY (month, day, year)"
    return "two digits, two digits and the year, parted by dots"


def _day_first(view: PromptEvidence) -> list[str]:
    """Return a rule on whether inputs like 03/04/2025 mean day or month first, if the labels show it.

    A date such as 25/12/2025 or 03/03/2025 tells nothing: it has one reading only.
    """
    found: dict[str, set[str]] = {"/": set(), ".": set()}
    seen_dates: Counter[str] = Counter()
    for seen in view.seen:
        expected = set(_strings(seen))
        dates = re.findall(r"(?<![\d/.])(\d{1,2})([/.])(\d{1,2})\2(\d{4})\b", view.text(seen))
        for a, sign, b, year in dates:
            if not (1 <= int(a) <= 12 and 1 <= int(b) <= 12) or int(a) == int(b):
                continue
            readings = {
                "day": f"{year}-{int(b):02d}-{int(a):02d}",
                "month": f"{year}-{int(a):02d}-{int(b):02d}",
            }
            matching = [first for first, date in readings.items() if date in expected]
            if len(matching) == 1:
                found[sign].add(matching[0])
                seen_dates[sign] += 1
    return [
        f"In dates such as 03{sign}04 the {min(firsts)} comes first."
        for sign, firsts in found.items()
        if len(firsts) == 1 and seen_dates[sign] >= 2
    ]


def identifier(texts: list[str]) -> str:
    """The common make-up of identifiers in words; empty where they have none."""
    if not all(re.search(r"\d", text) and len(text) <= 40 and len(text.split()) == 1 for text in texts):
        return ""
    parts = [re.findall(r"[A-Z]+|[a-z]+|\d+|[^A-Za-z\d]", text) for text in texts]
    if len({len(part) for part in parts}) != 1:
        return ""
    columns = [list(column) for column in zip(*parts, strict=True)]
    example = "".join(map(_example, columns))
    such = f", such as {example}" if example not in texts else ""
    return ", ".join(map(_part, columns)) + such


def _example(column: list[str]) -> str:
    """Return a part like these: what all share, else made up."""
    first = column[0]
    if len(set(column)) == 1 and not first.isdigit():
        return first
    signs = "1234567890" if first.isdigit() else "ABCDEFGHIJ" if first.isupper() else "abcdefghij"
    return "".join(signs[number % 10] for number in range(len(first)))


def _part(column: list[str]) -> str:
    if len(set(column)) == 1 and not column[0].isdigit():
        return _SIGNS.get(
            column[0],
            f"the letter{'s' * (len(column[0]) > 1)} {column[0]}" if column[0].isalpha() else column[0],
        )
    kinds = {_sort(text) for text in column}
    kind = kinds.pop() if len(kinds) == 1 else "character"
    sizes = sorted({len(text) for text in column})
    if len(sizes) == 1:
        return f"{sizes[0]} {kind}{'s' if sizes[0] > 1 else ''}"
    return f"{sizes[0]} to {sizes[-1]} {kind}s"


def _sort(text: str) -> str:
    if text.isdigit():
        return "digit"
    if not text.isalpha():
        return "sign"
    return "capital letter" if text.isupper() else "lower-case letter"


def _given(view: PromptEvidence, texts: list[str]) -> bool:
    wanted = set(texts)
    count = sum(
        1
        for seen in view.seen
        if seen.step is not None
        and any(text in seen.step.messages_text for text in wanted & set(_strings(seen)))
    )
    return count >= 0.5 * len(view.seen)


def _strings(seen: StepCase) -> list[str]:
    expected = seen.case.expected
    values = expected.values() if isinstance(expected, dict) else [expected]
    return [value for value in values if isinstance(value, str)]


def _text_lines(subject: str, texts: list[str]) -> list[str]:
    lines = []
    words = max(len(text.split()) for text in texts)
    if words <= 8:
        lines.append(
            f"{subject} is the bare value, at most {words} word{'s' if words > 1 else ''}: "
            "no full sentence, no explanation, no quotation marks, no final full stop."
        )
    lettered = [text for text in texts if any(char.isalpha() for char in text)]
    if lettered and all(text == text.lower() for text in lettered):
        lines.append(f"{subject} is in lower case.")
    elif lettered and all(text == text.upper() for text in lettered):
        lines.append(f"{subject} is in capital letters.")
    return lines


def _none_lines(view: PromptEvidence, name: str, subject: str, values: list[Any]) -> list[str]:
    """Return the rule for inputs that lack the value."""
    blanks = [value for value in values if is_blank(value)]
    if len(blanks) < 2 or len(blanks) > 0.9 * len(values) or len({plain(value) for value in blanks}) != 1:
        return []
    none = blanks[0]
    written = (
        "null (not a string, not an invented value)" if none is None else f'"{none}"' if none else "empty"
    )
    return [f"If the {view.noun} gives no {_value_name(view, name)}, {_lower(subject)} is {written}."]


def _value_name(view: PromptEvidence, name: str) -> str:
    """Return the name of a missing value: as the prompt introduces it, else the field's name."""
    last = name.rpartition(".")[2]
    return view.called(last) if last else "answer"


def _lower(subject: str) -> str:
    return subject if subject.startswith('"') else subject[:1].lower() + subject[1:]


def _form_only(view: PromptEvidence, seen: StepCase, name: str) -> bool:
    answer, expected = view.answer_of(seen, name), view.expected(seen, name)
    if same(expected, answer):
        return False
    if is_blank(expected):
        return True
    if alike(expected, answer) or (isinstance(answer, str) and mentions(answer, expected)):
        return True
    return isinstance(answer, str) and isinstance(expected, (int, float)) and to_number(answer) == expected
