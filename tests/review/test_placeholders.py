"""Placeholders and syntax, by template language."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.review_project import Reviewed, checks, words


def outcome(folder: Path, before: str, after: str, path: str = "p.md") -> tuple[list[str], str]:
    result = Reviewed(folder, {path: before}).edit(path, after)
    return checks(result), words(result)


GOOD = {
    "format": ("Sort {ticket}.", "Sort {ticket} well; {ticket} is all."),
    "format with doubled braces": ("Sort {x}.", 'Sort {x} as {{"team": "…"}}.'),
    "format specification": ("Price {p:.2f}", "The price: {p}"),
    "format attribute": ("Hi {user.name}, {items[0]}", "Dear {user.name}, {items[0]}"),
    "positional": ("{} and {}", "first {} then {}"),
    "nothing to fill": ("Sort.", 'Sort; answer as {"team": "x"} and pay $5 or 100%.'),
    "json beside replaced": ('Sort {x} as {"a": 1}', 'Sort {x} as {"a": 1, "b": 2} }'),
    "dollar": ("Sort $ticket and ${b}.", "Sort ${b}, then $ticket for $$5."),
    "money": ("Costs.", "Costs $amount or $5."),
    "percent in order": ("Sort %s.", "Sort well: %s, 100%%."),
    "percent": ("Sort %(x)s.", "Sort %(x)s at 100%%."),
    "jinja": ("{{ x }} {% if a %}b{% endif %}", "{{x}} well {% if a %}c{% endif %} {# note #}"),
    "jinja filter": ("{{ x | upper }}", "Now {{ x | upper }}"),
    "mustache": ("{{#items}}{{name}}{{/items}}", "All: {{#items}}- {{name}}{{/items}}"),
}

BAD = {
    "dropped": ("Sort {ticket} of {user}.", "Sort {ticket}.", "drops {user}"),
    "renamed": ("Sort {ticket}.", "Sort {Ticket}.", "drops {ticket}"),
    "spaces": ("Sort {ticket}.", "Sort { ticket }.", "drops {ticket}"),
    "invented": ("Sort {ticket}.", "Sort {ticket} of {team}.", "brings in {team}"),
    "invented in a plain text": ("Sort.", "Sort {ticket}.", "brings in {ticket}"),
    "reaching into an object": ("Hi {user}", "Hi {user} {user.__class__}", "brings in {user.__class__}"),
    "json in a format text": ("Sort {x}.", 'Sort {x} as {"team": "…"}.', "write literal braces as {{ and }}"),
    "empty json": ("Sort {x}.", "Sort {x} or {}.", "brings in {}"),
    "single brace": ("Sort {x}.", "Sort {x} }.", "write literal braces as {{ and }}"),
    "positional count": ("{} and {}", "{} and {} and {}", "keep exactly as many"),
    "undoubled": ('Sort {x} as {{"a": 1}}', 'Sort {x} as {"a": 1}', "write literal braces"),
    "replaced one dropped": ('Sort {x} as {"a": 1}', 'Sort as {"a": 1}', "drops {x}"),
    "double braces dropped": ("Sort {{ticket}}.", "Sort it.", "drops {{ ticket }}"),
    "dollar dropped": ("Sort $ticket.", "Sort it.", "drops $ticket"),
    "dollar braces invented": ("Sort.", "Sort ${ticket}.", "brings in ${ticket}"),
    "dollar sign": ("Sort $ticket.", "Sort $ticket for $5.", "as $$"),
    "percent in order dropped": ("Sort %s by %d.", "Sort %d by %s.", "fills in %s, %d"),
    "percent in order beside a sign": ("Sort %s.", "Be 100% sure; sort %s.", "as %%"),
    "percent dropped": ("Sort %(x)s.", "Sort.", "drops %(x)s"),
    "percent sign": ("Sort %(x)s.", "Be 100% sure; sort %(x)s.", "as %%"),
    "jinja dropped": ("{{ a.b }} {{ c }}", "{{ c }}", "drops {{ a.b }}"),
    "jinja filter dropped": ("{{ x | upper }}", "{{ x }}", "drops {{ x | upper }}"),
    "jinja expression invented": ("{{ x }}", "{{ x }} {{ config }}", "brings in {{ config }}"),
    "jinja tag dropped": ("{% if a %}b{% endif %}", "b", "drops {% if a %}"),
    "jinja tag added": ("{{ x }}", "{{ x }}{% include 'secret' %}", "adds {% include 'secret' %}"),
    "jinja left open": ("{{ x }}", "{{ x }} and {{ y", "would not render"),
    "jinja order": ("{% if a %}b{% endif %}", "{% endif %}b{% if a %}", "closes nothing"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_passes(name: str, tmp_path: Path) -> None:
    assert outcome(tmp_path, *GOOD[name]) == ([], "")


@pytest.mark.parametrize("name", BAD)
def test_what_is_blocked(name: str, tmp_path: Path) -> None:
    before, after, sentence = BAD[name]
    found, message = outcome(tmp_path, before, after)
    assert "placeholders" in found
    assert set(found) <= {"placeholders", "no-op"}
    assert sentence in message


def test_the_file_name_tells_jinja(tmp_path: Path) -> None:
    assert outcome(tmp_path, "Sort {{ x }} {y}", "Sort {{ x }} {z}", "p.md.j2")[0] == []
    assert outcome(tmp_path, "Sort {y}", "Sort {% raw %}", "q.jinja2")[0] == ["placeholders", "placeholders"]


def test_a_constant_may_hold_anything_a_string_can(tmp_path: Path) -> None:
    project = Reviewed(tmp_path, {"t.py": "X = 'Sort.'\n"})
    project.store.scope.prompts[:] = ["t.py::X"]
    assert project.edit("t.py::X", 'It\'s "quoted" \\ and\nlong\n' * 9).verdict == "pass"
    assert checks(project.edit("t.py::X", "lone \ud800 surrogate")) == []


def test_a_text_that_the_file_cannot_hold_is_a_syntax_problem(tmp_path: Path) -> None:
    project = Reviewed(tmp_path, {"a.md": "Sort.\n"})
    assert checks(project.edit("a.md", "lone \ud800 surrogate")) == ["syntax"]
