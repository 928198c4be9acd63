"""Every place in files that are not Python where people write prompts."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jinja2
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class DataLocation(NamedTuple):
    """One way to keep a prompt in a file."""

    path: str
    marked: str
    """The file, with « and » around the characters that spell the text."""
    name: str
    """The address behind `::`; empty for the whole file."""
    text: str
    """The text as an edit sees it."""
    load: Callable[[str], Any]
    """Reads the file as the project's own library does."""
    at: tuple[tuple[str | int, ...], ...]
    """Where the text stands in what was loaded; in several places through aliases."""

    @property
    def content(self) -> str:
        """The file."""
        return self.marked.replace("«", "").replace("»", "")

    @property
    def around(self) -> tuple[str, str]:
        """What stands before the text and behind it."""
        before, _, rest = self.marked.partition("«")
        return before, rest.partition("»")[2]


def _marked(content: str, spelling: str) -> str:
    assert content.count(spelling) == 1
    return content.replace(spelling, f"«{spelling}»")


def _yaml_file(content: str, name: str, text: str, *at: tuple[str | int, ...]) -> DataLocation:
    keys = tuple(int(key) if key.isdigit() else key for key in re.findall(r"\w+", name))
    return DataLocation("prompts.yaml", content, name, text, yaml.safe_load, at or (keys,))


def _documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def _json_file(content: str, name: str, text: str, *at: str | int) -> DataLocation:
    return DataLocation("prompts.json", content, name, text, json.loads, (at,))


def _toml_file(content: str, name: str, text: str, *at: str | int) -> DataLocation:
    return DataLocation("prompts.toml", content, name, text, tomllib.loads, (at,))


def _with_front_matter(text: str) -> dict[str, Any]:
    _, head, body = text.replace("\r\n", "\n").split("---\n", 2)
    return {"head": yaml.safe_load(head), "body": body}


def _with_roles(text: str) -> dict[str, Any]:
    parts = _with_front_matter(text)
    roles: list[list[str]] = []
    for line in parts["body"].splitlines(keepends=True):
        if line.strip() in ("system:", "user:", "assistant:"):
            roles.append([line, ""])
        else:
            roles[-1][1] += line
    return {**parts, "body": [text.removesuffix("\n") for _, text in roles]}


def _jinja(template: str, beside: dict[str, str]) -> Callable[[str], dict[str, str]]:
    """Renders the file, and a template that includes, imports or extends it."""

    def render(text: str) -> dict[str, str]:
        files = {template: text, **beside}
        environment = jinja2.Environment(loader=jinja2.DictLoader(files), keep_trailing_newline=True)
        return {name: environment.get_template(name).render(ticket="T") for name in files}

    return render


HUB = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain", "prompts", "chat", "ChatPromptTemplate"],
    "kwargs": {
        "messages": [
            {
                "lc": 1,
                "type": "constructor",
                "id": ["langchain", "prompts", "chat", "SystemMessagePromptTemplate"],
                "kwargs": {
                    "prompt": {
                        "lc": 1,
                        "type": "constructor",
                        "id": ["langchain", "prompts", "prompt", "PromptTemplate"],
                        "kwargs": {"template": "Sort the ticket.", "input_variables": []},
                    }
                },
            }
        ]
    },
}

CREW = """\
# config/agents.yaml
sorter:
  role: >
    Ticket sorter for {company}
  goal: >
    Sort each ticket
    into its team

    and nothing else
  backstory: >
    You have sorted tickets
    for years.
writer:
  role: Writer
  goal: 'Write replies'
"""

PROMPTFOO = """\
# yaml-language-server: $schema=https://promptfoo.dev/config-schema.json
prompts:
  - 'Sort the ticket: {{ticket}}'
  - id: long
    raw: |
      Sort the ticket.
      {{ticket}}
providers: [openai:gpt-4o-mini]
"""

PROMPTY = """\
---
name: Triage
description: Sorts tickets
model:
  api: chat
  parameters: {temperature: 0.2}
sample:
  ticket: The parcel is late.
---
system:
Sort the ticket.
Be brief.

user:
An example.

assistant:
billing

user:
{{ticket}}
"""

SKILL = "---\nname: refunds\ndescription: Refunds for customers # short\n---\n# Refunds\n\nSort the ticket.\n"

_HUB_PATH = ("kwargs", "messages", 0, "kwargs", "prompt", "kwargs", "template")

CREW_GOAL = ">\n    Sort each ticket\n    into its team\n\n    and nothing else\n"

LOCATIONS: dict[str, DataLocation] = {
    "YAML: plain": _yaml_file("triage: «Sort the ticket.»\nn: 1\n", "triage", "Sort the ticket."),
    "YAML: plain with a comment": _yaml_file(
        "triage:   «Sort it»   # short\n# end\n",
        "triage",
        "Sort it",
    ),
    "YAML: plain over several lines": _yaml_file(
        "a:\n  triage: «Sort the ticket\n    into its team.»\n  n: 1\n",
        "a.triage",
        "Sort the ticket into its team.",
    ),
    "YAML: single quotes": _yaml_file("triage: «'Don''t guess.'»\n", "triage", "Don't guess."),
    "YAML: double quotes": _yaml_file(
        'triage: «"Sort\\tit \\"well\\"."»\n',
        "triage",
        'Sort\tit "well".',
    ),
    "YAML: double quotes over several lines": _yaml_file(
        'triage: «"Sort the ticket\n  into its team.\\n\\\n  Now."»\nn: 1\n',
        "triage",
        "Sort the ticket into its team.\nNow.",
    ),
    "YAML: literal": _yaml_file(
        "triage: «|\n    Sort the ticket.\n      - well\n\n    Now.\n»\n# gap\nn: 1\n",
        "triage",
        "Sort the ticket.\n  - well\n\nNow.\n",
    ),
    "YAML: literal, stripped, with a comment": _yaml_file(
        "triage: «|- # why\n  Sort.\n»n: 1\n", "triage", "Sort."
    ),
    "YAML: literal, kept": _yaml_file("triage: «|+\n  Sort.\n\n\n»n: 1\n", "triage", "Sort.\n\n\n"),
    "YAML: literal with an indentation indicator": _yaml_file(
        "a:\n  triage: «|2\n      Sort.\n    Now.\n»", "a.triage", "  Sort.\nNow.\n"
    ),
    "YAML: literal at the end without a newline": _yaml_file("triage: «|\n  Sort.»", "triage", "Sort."),
    "YAML: literal in a list": _yaml_file("steps:\n- «|\n  Sort.\n»- n\n", "steps[0]", "Sort.\n"),
    "YAML: folded": _yaml_file(
        "triage: «>\n  Sort the ticket\n  into its team.\n\n  Now.\n»n: 1\n",
        "triage",
        "Sort the ticket into its team.\nNow.\n",
    ),
    "YAML: folded, stripped": _yaml_file(
        "triage: «>-\n  Sort the\n  ticket.\n»n: 1\n", "triage", "Sort the ticket."
    ),
    "YAML: folded, kept, indented lines": _yaml_file(
        "triage: «>+\n  Sort\n    - a\n    - b\n\n  now\n\n»n: 1\n",
        "triage",
        "Sort\n  - a\n  - b\n\nnow\n\n",
    ),
    "YAML: nested keys": _yaml_file(
        "agents:\n  triage:\n    system: «Sort it.»\n    n: 1\n", "agents.triage.system", "Sort it."
    ),
    "YAML: messages": _yaml_file(
        "messages:\n  - role: system\n    content: «Sort it.»\n  - {role: user, content: '{x}'}\n",
        "messages[0].content",
        "Sort it.",
    ),
    "YAML: braces": _yaml_file("a: {system: «Sort it», n: 1}\n", "a.system", "Sort it"),
    "YAML: brackets": _yaml_file("a: [Sort it, «'Draft, now'»]\n", "a[1]", "Draft, now"),
    "YAML: an anchor and its alias": _yaml_file(
        "base: &tone «|\n  Be kind.\n»other: *tone\n", "base", "Be kind.\n", ("base",), ("other",)
    ),
    "YAML: a merged mapping": _yaml_file(
        "base: &b\n  system: «Sort it.»\n  n: 1\na:\n  <<: *b\n  n: 2\n",
        "base.system",
        "Sort it.",
        ("base", "system"),
        ("a", "system"),
    ),
    "YAML: tagged as a text": _yaml_file(
        "triage: !!str «Sort it.»\nn: !!str 1\n",
        "triage",
        "Sort it.",
    ),
    "YAML: a quoted key": _yaml_file(
        '"gpt-4.1 mini": «Sort it.»\n', '"gpt-4.1 mini"', "Sort it.", ("gpt-4.1 mini",)
    ),
    "YAML: several documents": DataLocation(
        "prompts.yml",
        "system: Sort it.\n---\nsystem: «>-\n  Draft it.\n»",
        "[1].system",
        "Draft it.",
        _documents,
        ((1, "system"),),
    ),
    "YAML: Windows newlines and a byte order mark": _yaml_file(
        "\ufefftriage: «|\r\n  Sort.\r\n  Now.\r\n»n: 1\r\n", "triage", "Sort.\nNow.\n"
    ),
    "CrewAI: backstory": DataLocation(
        "agents.yaml",
        _marked(CREW, ">\n    You have sorted tickets\n    for years.\n"),
        "sorter.backstory",
        "You have sorted tickets for years.\n",
        yaml.safe_load,
        (("sorter", "backstory"),),
    ),
    "CrewAI: goal of several paragraphs": DataLocation(
        "agents.yaml",
        _marked(CREW, CREW_GOAL),
        "sorter.goal",
        "Sort each ticket into its team\nand nothing else\n",
        yaml.safe_load,
        (("sorter", "goal"),),
    ),
    "promptfoo: a prompt of the list": DataLocation(
        "promptfooconfig.yaml",
        _marked(PROMPTFOO, "'Sort the ticket: {{ticket}}'"),
        "prompts[0]",
        "Sort the ticket: {{ticket}}",
        yaml.safe_load,
        (("prompts", 0),),
    ),
    "promptfoo: a prompt with an id": DataLocation(
        "promptfooconfig.yaml",
        _marked(PROMPTFOO, "|\n      Sort the ticket.\n      {{ticket}}\n"),
        "prompts[1].raw",
        "Sort the ticket.\n{{ticket}}\n",
        yaml.safe_load,
        (("prompts", 1, "raw"),),
    ),
    "JSON: a key": _json_file('{"triage": «"Sort it."», "n": 1}', "triage", "Sort it.", "triage"),
    "JSON: messages": _json_file(
        _marked(
            json.dumps({"messages": [{"role": "system", "content": "Sort it."}]}, indent=4), '"Sort it."'
        ),
        "messages[0].content",
        "Sort it.",
        *("messages", 0, "content"),
    ),
    "JSON: a list on top": _json_file(
        '[ "Sort it." ,\n\t{"a":[1,«"b c"»]} ]',
        "[1].a[1]",
        "b c",
        1,
        "a",
        1,
    ),
    "JSON: escapes": _json_file(
        '{"t\\u00e9": «"Sort\\n\\"it\\" \\u00e9 \\/ \\ud83d\\ude00"», "n": 1e3}',
        "té",
        'Sort\n"it" é / 😀',
        "té",
    ),
    "JSON: Windows newlines and a byte order mark": DataLocation(
        "prompts.json",
        '\ufeff{\r\n  "a": {"b.c": «"é Sort it."»}\r\n}\r\n',
        'a."b.c"',
        "é Sort it.",
        json.loads,
        (("a", "b.c"),),
    ),
    "LangChain hub: a template": DataLocation(
        "hub.json",
        _marked(json.dumps(HUB, indent=2), '"Sort the ticket."'),
        "kwargs.messages[0].kwargs.prompt.kwargs.template",
        "Sort the ticket.",
        json.loads,
        (_HUB_PATH,),
    ),
    "TOML: basic": _toml_file(
        'triage = «"Sort \\"it\\"."» # c\nn = 1\n',
        "triage",
        'Sort "it".',
        "triage",
    ),
    "TOML: literal": _toml_file(
        "[a]\ntriage = «'Sort \\d it.'»\n", "a.triage", "Sort \\d it.", "a", "triage"
    ),
    "TOML: several lines": _toml_file(
        '[prompts]\ntriage = «"""\nSort it.\n  Now. \\\n  Yes.\n"""»\nn = 1\n',
        "prompts.triage",
        "Sort it.\n  Now. Yes.\n",
        *("prompts", "triage"),
    ),
    "TOML: literal of several lines": _toml_file(
        "triage = «'''Sort \"it\".\nNow.'''»\n", "triage", 'Sort "it".\nNow.', "triage"
    ),
    "TOML: a dotted key": _toml_file(
        'a.b."c d" = «"Sort it."»\n',
        'a.b."c d"',
        "Sort it.",
        "a",
        "b",
        "c d",
    ),
    "TOML: an inline table": _toml_file(
        'a = { s = «"Sort it."», n = 1 }\n',
        "a.s",
        "Sort it.",
        "a",
        "s",
    ),
    "TOML: tables in a list": _toml_file(
        '[[messages]]\nrole = "user"\n[[messages]]\ncontent = «"Sort it."» # c\n',
        "messages[1].content",
        "Sort it.",
        *("messages", 1, "content"),
    ),
    "TOML: a list": _toml_file('a = [\n  «"Sort it."», # c\n  "b",\n]\n', "a[0]", "Sort it.", "a", 0),
    "TOML: Windows newlines": _toml_file(
        'triage = «"""\r\nSort it.\r\nNow."""»\r\nn = 1\r\n', "triage", "Sort it.\nNow.", "triage"
    ),
    "prompty: a role": DataLocation(
        "triage.prompty",
        _marked(PROMPTY, "Sort the ticket.\nBe brief.\n"),
        "system",
        "Sort the ticket.\nBe brief.\n",
        _with_roles,
        (("body", 0),),
    ),
    "prompty: a role that speaks twice": DataLocation(
        "triage.prompty",
        _marked(PROMPTY, "An example.\n"),
        "user[0]",
        "An example.\n",
        _with_roles,
        (("body", 1),),
    ),
    "prompty: front matter": DataLocation(
        "triage.prompty",
        _marked(PROMPTY, "The parcel is late."),
        "sample.ticket",
        "The parcel is late.",
        _with_roles,
        (("head", "sample", "ticket"),),
    ),
    "Markdown: below a front matter": DataLocation(
        "skills/SKILL.md",
        _marked(SKILL, "# Refunds\n\nSort the ticket.\n"),
        "body",
        "# Refunds\n\nSort the ticket.\n",
        _with_front_matter,
        (("body",),),
    ),
    "Markdown: front matter": DataLocation(
        "skills/SKILL.md",
        _marked(SKILL, "Refunds for customers"),
        "description",
        "Refunds for customers",
        _with_front_matter,
        (("head", "description"),),
    ),
    "dotprompt: the template": DataLocation(
        "triage.prompt",
        "---\nmodel: x\ninput:\n  schema: {ticket: string}\n---\n«Sort {{ticket}}.\n»",
        "body",
        "Sort {{ticket}}.\n",
        _with_front_matter,
        (("body",),),
    ),
    "Jinja: an included file": DataLocation(
        "tone.j2",
        "«Be kind.\n»",
        "",
        "Be kind.\n",
        _jinja("tone.j2", {"main.j2": "{% include 'tone.j2' %}"}),
        (("tone.j2",), ("main.j2",)),
    ),
    "Jinja: an extended file": DataLocation(
        "base.j2",
        "«Sort it.\n»",
        "",
        "Sort it.\n",
        _jinja("base.j2", {"main.j2": "{% extends 'base.j2' %}"}),
        (("base.j2",), ("main.j2",)),
    ),
    "Text: a whole file": DataLocation("draft.md", "«Sort it.\n»", "", "Sort it.\n", str, ((),)),
}

REFUSED: dict[str, tuple[str, str, str, str]] = {
    "YAML: an alias": ("p.yaml", "a: &x Sort it.\nb: *x\n", "b", "edit the value that it points to, a"),
    "a key that stands twice": (
        "p.json",
        '{"a": "Sort it.", "a": "Draft it."}',
        "a",
        "give each a key of its own",
    ),
}
"""What is out of reach: file, content, name, and the words that say what to do."""
