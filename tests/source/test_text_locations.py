"""Every place in Python source where people write prompts: listed, edited, written, run and undone."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from source.conftest import MakeStore

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.scope import Scope
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.patch import edits_between, unified_diff
from pytest_fapo.source.project_texts import texts_in_file
from pytest_fapo.source.python_texts import replace_text, texts_of
from pytest_fapo.source.template_syntax import fixed_parts
from pytest_fapo.source.text_expressions import TextExpression
from pytest_fapo.source.write_back import write_back

LIBRARY = '''
"""Stand-ins for what frameworks offer; each gives back the text that it was given."""

class ChatPromptTemplate:
    def __init__(self, messages): self.messages = messages
    from_messages = classmethod(lambda cls, messages: cls(messages))
class PromptTemplate:
    def __init__(self, text): self.text = text
    from_template = classmethod(lambda cls, text: cls(text))
class SystemMessage:
    def __init__(self, content): self.content = content
class Agent:
    def __init__(self, model=None, **given): self.__dict__.update(given)
    def __class_getitem__(cls, item): return cls
class Signature:
    def __init__(self, fields="", instructions=""): self.instructions = instructions
def Field(default=None, *, description=None, default_factory=None): return description or default_factory
def InputField(desc): return desc
def tool(description):
    def decorate(function):
        function.description = description
        return function
    return decorate
def ask(*texts): return texts[0]
class Completions:
    def create(self, model, messages): return messages[0]["content"]
class Client:
    def __init__(self): self.chat = type("Chat", (), {"completions": Completions()})
'''


class Location(NamedTuple):
    """One way to write a prompt in Python."""

    source: str
    name: str
    """The address behind `::`."""
    text: str
    """The text as an edit sees it."""
    run: str
    """An expression in the module that gives the text that reaches the model."""
    kept: str = ""
    """The placeholders of the text, which an edit keeps."""
    sent: Callable[[str], str] = str
    """The text that reaches the model, from the text that an edit sees."""


def filled(**values: str) -> Callable[[str], str]:
    return lambda text: text.format(**values)


LOCATIONS = {
    "constant": Location('PROMPT = "Sort the ticket."', "PROMPT", "Sort the ticket.", "PROMPT"),
    "dict entry": Location(
        'PROMPTS = {"triage": "Sort the ticket.", "draft": "Reply."}',
        "PROMPTS.triage",
        "Sort the ticket.",
        'PROMPTS["triage"]',
    ),
    "nested dict entry": Location(
        'PROMPTS = {\n    "triage": {\n        "system": "Sort the ticket.",\n    },\n}',
        "PROMPTS.triage.system",
        "Sort the ticket.",
        'PROMPTS["triage"]["system"]',
    ),
    "dict entry under a key with a dot": Location(
        'PROMPTS = {"gpt-4.1": "Sort the ticket."}',
        'PROMPTS."gpt-4.1"',
        "Sort the ticket.",
        'PROMPTS["gpt-4.1"]',
    ),
    "dict entry under an Enum member": Location(
        'import enum\nclass Team(enum.Enum):\n    BILLING = 1\nPROMPTS = {Team.BILLING: "Sort the ticket."}',
        'PROMPTS."Team.BILLING"',
        "Sort the ticket.",
        "PROMPTS[Team.BILLING]",
    ),
    "dict entry of several lines": Location(
        'PROMPTS = {\n    "triage": """\\\nSort the ticket.\nBe brief.\n""",\n}',
        "PROMPTS.triage",
        "Sort the ticket.\nBe brief.\n",
        'PROMPTS["triage"]',
    ),
    "dict entry set later": Location(
        'PROMPTS = {}\nPROMPTS["triage"] = "Sort the ticket."',
        "PROMPTS.triage",
        "Sort the ticket.",
        'PROMPTS["triage"]',
    ),
    "list": Location('LINES = ["Be kind.", "Sort the ticket."]', "LINES[1]", "Sort the ticket.", "LINES[1]"),
    "tuple": Location(
        'LINES = (\n    "Sort the ticket.",\n    "Be kind.",\n)', "LINES[0]", "Sort the ticket.", "LINES[0]"
    ),
    "message list": Location(
        'MESSAGES = [{"role": "system", "content": "Sort the ticket."}]',
        "MESSAGES[0].content",
        "Sort the ticket.",
        'MESSAGES[0]["content"]',
    ),
    "message pairs": Location(
        'MESSAGES = [("system", "Sort the ticket."), ("user", "{ticket}")]',
        "MESSAGES[0]",
        "Sort the ticket.",
        "MESSAGES[0][1]",
    ),
    "dict call": Location(
        'PROMPTS = dict(system="Sort the ticket.")',
        "PROMPTS.system",
        "Sort the ticket.",
        'PROMPTS["system"]',
    ),
    "from_messages": Location(
        "prompt = ChatPromptTemplate.from_messages(\n    [\n        (\n            'system',\n"
        "            'Sort the ticket. '\n            'Be brief.',\n        ),\n"
        "        ('human', '{ticket}'),\n    ]\n)",
        "prompt[0]",
        "Sort the ticket. Be brief.",
        "prompt.messages[0][1]",
    ),
    "message objects": Location(
        'prompt = ChatPromptTemplate([SystemMessage(content="Sort the ticket.")])',
        "prompt[0].content",
        "Sort the ticket.",
        "prompt.messages[0].content",
    ),
    "from_template": Location(
        'prompt = PromptTemplate.from_template("Sort the ticket {ticket}.")',
        "prompt[0]",
        "Sort the ticket {ticket}.",
        'prompt.text.format(ticket="T")',
        "{ticket}",
        filled(ticket="T"),
    ),
    "keyword argument": Location(
        'agent = Agent("openai:gpt-4o", instructions="Sort the ticket.")',
        "agent.instructions",
        "Sort the ticket.",
        "agent.instructions",
    ),
    "keyword argument that is a call": Location(
        'agent = Agent[str]("openai:gpt-4o", prompt=PromptTemplate("Sort the ticket."))',
        "agent.prompt[0]",
        "Sort the ticket.",
        "agent.prompt.text",
    ),
    "string.Template": Location(
        'import string\nprompt = string.Template("Sort the ticket $ticket.")',
        "prompt[0]",
        "Sort the ticket $ticket.",
        'prompt.substitute(ticket="T")',
        "$ticket",
        lambda text: text.replace("$ticket", "T"),
    ),
    "second positional argument": Location(
        'Triage = Signature("ticket -> team", "Sort the ticket.")',
        "Triage[1]",
        "Sort the ticket.",
        "Triage.instructions",
    ),
    "dedented entry": Location(
        "import textwrap\nPROMPTS = {\n    'triage': textwrap.dedent('''\\\n        Sort the ticket.\n"
        "          Be brief.\n        '''),\n}",
        "PROMPTS.triage",
        "Sort the ticket.\n  Be brief.\n",
        'PROMPTS["triage"]',
        "",
        textwrap.dedent,
    ),
    "docstring of a class": Location(
        'class Triage(Signature):\n    """Sort the ticket."""\n',
        "Triage.__doc__",
        "Sort the ticket.",
        "__import__('inspect').getdoc(Triage)",
        "",
        inspect.cleandoc,
    ),
    "docstring of several lines": Location(
        'def lookup(city):\n    """Find the weather.\n\n    Args:\n        city: its name.\n    """\n',
        "lookup.__doc__",
        "Find the weather.\n\nArgs:\n    city: its name.",
        "__import__('inspect').getdoc(lookup)",
        "",
        inspect.cleandoc,
    ),
    "docstring of an async method": Location(
        "class Desk:\n\tasync def lookup(self):\n\t\t'''Sort the ticket.'''\n\t\treturn 1\n",
        "Desk.lookup.__doc__",
        "Sort the ticket.",
        "__import__('inspect').getdoc(Desk.lookup)",
        "",
        inspect.cleandoc,
    ),
    "Field(description=)": Location(
        'class Team:\n    team: str = Field(description="The team\'s name.")\n',
        "Team.team.description",
        "The team's name.",
        "Team.team",
    ),
    "InputField(desc=)": Location(
        'class Triage(Signature):\n    ticket: str = InputField(desc="What they wrote.")\n',
        "Triage.ticket.desc",
        "What they wrote.",
        "Triage.ticket",
    ),
    "Annotated field": Location(
        "from typing import Annotated\nclass Team:\n"
        '    team: Annotated[str, Field(description="The team\'s name.")] = "billing"\n',
        "Team.team.description",
        "The team's name.",
        'Team.__annotations__["team"].__metadata__[0]',
    ),
    "Annotated argument": Location(
        "from typing import Annotated\n"
        'def lookup(city: Annotated[str, "The city\'s name."]):\n    return city\n',
        "lookup(city).annotation",
        "The city's name.",
        'lookup.__annotations__["city"].__metadata__[0]',
    ),
    "default of an argument": Location(
        'def triage(ticket, system="Sort the ticket."):\n    return ask(system)\n',
        "triage(system)",
        "Sort the ticket.",
        'triage("T")',
    ),
    "default of a keyword argument of a method": Location(
        'class Desk:\n    def ask(self, *, system: str = "Sort the ticket."):\n        return ask(system)\n',
        "Desk.ask(system)",
        "Sort the ticket.",
        "Desk().ask()",
    ),
    "attribute set in __init__": Location(
        'class Desk:\n    def __init__(self):\n        self.system = "Sort the ticket."\n',
        "Desk.system",
        "Sort the ticket.",
        "ask(Desk().system)",
    ),
    "attribute set later": Location(
        'agent = Agent()\nagent.instructions = "Sort the ticket."',
        "agent.instructions",
        "Sort the ticket.",
        "agent.instructions",
    ),
    "local variable": Location(
        'def triage(ticket):\n    prompt = "Sort the ticket."\n    return ask(prompt, ticket)\n',
        "triage.prompt",
        "Sort the ticket.",
        'triage("T")',
    ),
    "result of a function": Location(
        'def instructions(context):\n    return "Sort the ticket."\n',
        "instructions.return",
        "Sort the ticket.",
        "instructions(0)",
    ),
    "messages that a function builds": Location(
        'def build(ticket):\n    return [{"role": "system", "content": "Sort the ticket."}]\n',
        "build.return[0].content",
        "Sort the ticket.",
        'build("T")[0]["content"]',
    ),
    "f-string bound to a name": Location(
        'SHOP = "Lamps"\nPROMPT = f"Sort the ticket for {SHOP}."',
        "PROMPT",
        "Sort the ticket for {SHOP}.",
        "PROMPT",
        "{SHOP}",
        filled(SHOP="Lamps"),
    ),
    "f-string in a call": Location(
        'def reply(text):\n    return ask(f"Reply to {text}. {{}}")\n',
        "reply{text}",
        "Reply to {text}. {{}}",
        'reply("T")',
        "{text}",
        filled(text="T"),
    ),
    "f-string with expressions and several tokens": Location(
        'TEAMS = ["billing", "other"]\ndef triage(ticket):\n    return ask(\n'
        "        f\"Sort into {', '.join(TEAMS)}.\\n\"\n"
        '        "Be brief {now}.\\n"\n        f"<t>{ticket!s:>3}</t>"\n    )\n',
        "triage{TEAMS,ticket}",
        "Sort into {TEAMS}.\nBe brief {{now}}.\n<t>{ticket}</t>",
        'triage("T")',
        "{TEAMS} {ticket}",
        filled(TEAMS="billing, other", ticket="  T"),
    ),
    "f-string of several lines": Location(
        'def triage(ticket):\n    prompt = rf"""Sort \\d the ticket.\n\n    <t>{ticket}</t>"""\n'
        "    return ask(prompt)\n",
        "triage.prompt",
        "Sort \\d the ticket.\n\n    <t>{ticket}</t>",
        'triage("T")',
        "{ticket}",
        filled(ticket="T"),
    ),
    "format": Location(
        'PROMPT = "Sort the ticket {}.".format("T")',
        "PROMPT",
        "Sort the ticket {}.",
        "PROMPT",
        "{}",
        lambda text: text.format("T"),
    ),
    "format in a call": Location(
        'def triage(ticket):\n    return ask("Sort the ticket {t}.".format(t=ticket))\n',
        "triage.ask[0]",
        "Sort the ticket {t}.",
        'triage("T")',
        "{t}",
        filled(t="T"),
    ),
    "replace": Location(
        'PROMPT = "Sort the ticket <<T>>.".replace("<<T>>", "T")',
        "PROMPT",
        "Sort the ticket <<T>>.",
        "PROMPT",
        "<<T>>",
        lambda text: text.replace("<<T>>", "T"),
    ),
    "percent": Location(
        'PROMPT = "Sort the ticket %s, 100%%." % "T"',
        "PROMPT",
        "Sort the ticket %s, 100%%.",
        "PROMPT",
        "%s",
        lambda text: text % "T",
    ),
    "sum of literals": Location(
        'PROMPT = "Sort the ticket. " + "Be brief."', "PROMPT", "Sort the ticket. Be brief.", "PROMPT"
    ),
    "sum with a name": Location(
        'def triage(ticket):\n    return ask("Sort the ticket.\\n" + ticket + "\\nBe brief.")\n',
        "triage{ticket}",
        "Sort the ticket.\n{ticket}\nBe brief.",
        'triage("T")',
        "{ticket}",
        filled(ticket="T"),
    ),
    "sum that ends with a name": Location(
        'def triage(ticket):\n    return ask("Sort the ticket: " + ticket)\n',
        "triage{ticket}",
        "Sort the ticket: {ticket}",
        'triage("T")',
        "{ticket}",
        filled(ticket="T"),
    ),
    "join": Location(
        'PROMPT = "\\n".join(["Sort the ticket.", "Be brief."])',
        "PROMPT",
        "Sort the ticket.\nBe brief.",
        "PROMPT",
    ),
    "join with a name": Location(
        'def triage(ticket):\n    return ask("\\n".join(["Sort the ticket.", "Be brief.", ticket]))\n',
        "triage{ticket}",
        "Sort the ticket.\nBe brief.\n{ticket}",
        'triage("T")',
        "\nBe brief.\n{ticket}",
        filled(ticket="T"),
    ),
    "branch of if": Location(
        'if len("a") == 1:\n    PROMPT = "Sort the ticket."\nelse:\n    PROMPT = "Reply now."',
        "PROMPT#1",
        "Sort the ticket.",
        "PROMPT",
    ),
    "branch of try": Location(
        'try:\n    import missing_library\n    PROMPT = "Reply now."\n'
        'except ImportError:\n    PROMPT = "Sort the ticket."',
        "PROMPT#2",
        "Sort the ticket.",
        "PROMPT",
    ),
    "branch of match": Location(
        "def triage(kind):\n    match kind:\n        case 1:\n            prompt = 'Reply now.'\n"
        "        case _:\n            prompt = 'Sort the ticket.'\n    return ask(prompt)\n",
        "triage.prompt#2",
        "Sort the ticket.",
        "triage(2)",
    ),
    "conditional expression": Location(
        'PROMPT = "Sort the ticket." if len("a") == 1 else "Reply now."',
        "PROMPT#1",
        "Sort the ticket.",
        "PROMPT",
    ),
    "default behind or": Location(
        'def triage(system=None):\n    prompt = system or "Sort the ticket."\n    return ask(prompt)\n',
        "triage.prompt",
        "Sort the ticket.",
        "triage()",
    ),
    "decorator": Location(
        '@tool(description="Find the weather.")\ndef lookup(city):\n    return city\n',
        "lookup.tool.description",
        "Find the weather.",
        "lookup.description",
    ),
    "call of a client in a function": Location(
        "def triage(ticket):\n    return Client().chat.completions.create(\n        model='gpt-4o',\n"
        "        messages=[\n            {'role': 'system', 'content': 'Sort the ticket.'},\n"
        "            {'role': 'user', 'content': ticket},\n        ],\n    )\n",
        "triage.create.messages[0].content",
        "Sort the ticket.",
        'triage("T")',
    ),
    "call whose answer is bound to a name": Location(
        "async def triage(ticket):\n    answer = ask('Sort the ticket.', ticket)\n    return answer\n",
        "triage.answer[0]",
        "Sort the ticket.",
        "__import__('asyncio').run(triage('T'))",
    ),
    "implicit concatenation by backslash": Location(
        "PROMPTS = {'triage': 'Sort the '\\\n    'ticket.'}",
        "PROMPTS.triage",
        "Sort the ticket.",
        "PROMPTS['triage']",
    ),
    "nested class": Location(
        "class Prompts:\n    class Triage:\n        SYSTEM: str = 'Sort the ticket.'\n",
        "Prompts.Triage.SYSTEM",
        "Sort the ticket.",
        "Prompts.Triage.SYSTEM",
    ),
    "default of a lambda": Location(
        "triage = lambda ticket, system='Sort the ticket.': ask(system)",
        "triage(system)",
        "Sort the ticket.",
        "triage('T')",
    ),
    "body of a lambda": Location(
        "triage = lambda ticket: 'Sort the ticket.'", "triage", "Sort the ticket.", "triage('T')"
    ),
    "default factory": Location(
        "class Desk:\n    system = Field(default_factory=lambda: 'Sort the ticket.')\n",
        "Desk.system.default_factory",
        "Sort the ticket.",
        "Desk.system()",
    ),
    "walrus": Location(
        "if (prompt := 'Sort the ticket.'):\n    pass", "prompt", "Sort the ticket.", "prompt"
    ),
    "text that grows": Location(
        "def triage():\n    prompt = 'Be kind. '\n    prompt += 'Sort the ticket.'\n    return prompt\n",
        "triage.prompt#2",
        "Sort the ticket.",
        "triage()",
        "",
        lambda text: "Be kind. " + text,
    ),
    "names that are unpacked": Location(
        "TRIAGE, DRAFT = 'Sort the ticket.', 'Reply.'", "TRIAGE", "Sort the ticket.", "TRIAGE"
    ),
    "two names of one text": Location(
        "TRIAGE = DRAFT = 'Sort the ticket.'", "TRIAGE", "Sort the ticket.", "DRAFT"
    ),
    "field of a dataclass": Location(
        "import dataclasses\n@dataclasses.dataclass\nclass Desk:\n    system: str = 'Sort the ticket.'\n",
        "Desk.system",
        "Sort the ticket.",
        "Desk().system",
    ),
    "member of an Enum": Location(
        "import enum\nclass Prompt(str, enum.Enum):\n    TRIAGE = 'Sort the ticket.'\n",
        "Prompt.TRIAGE",
        "Sort the ticket.",
        "Prompt.TRIAGE.value",
    ),
    "element of a comprehension": Location(
        "LINES = ['Sort the ticket.' for _ in range(2)]", "LINES", "Sort the ticket.", "LINES[1]"
    ),
}

NEW = "Sort the ticket into one team.\nAnswer with its name only."

HOSTILE = (
    "One line.",
    "say \"hi\", 'hi', \"\"\" and ''' \\ and \\n and \\N{{BULLET}} at the end \\",
    '{{braces}}: {{\n  "team": "x"}}\n\ttabbed\n\n# no comment\nGrüße, 東京, 😀 \u2028 \x07\r nbsp\xa0.',
    "line after line\n" * 12,
)


@pytest.fixture(params=LOCATIONS)
def location(request: pytest.FixtureRequest) -> Location:
    return LOCATIONS[request.param]


def module_of(location: Location) -> bytes:
    return f"from lib import *\n\n{location.source}\n".encode()


def with_kept(location: Location, text: str) -> str:
    """A new text for the place: its placeholders stay, and braces are doubled only where they have to be."""
    doubled = "{" in location.kept
    return (text if doubled else text.replace("{{", "{").replace("}}", "}")) + location.kept


def edited(data: bytes, location: Location, text: str) -> bytes:
    return replace_text(data, "p.py", location.name, text)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, Location], Any]:
    """Runs a module and gives the text that reaches the model."""
    library = types.ModuleType("lib")
    exec(LIBRARY, vars(library))
    monkeypatch.setitem(sys.modules, "lib", library)

    def run(data: bytes, location: Location) -> Any:
        namespace: dict[str, Any] = {}
        exec(compile(data, "p.py", "exec", dont_inherit=True), namespace)
        return eval(location.run, namespace)

    return run


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("text", HOSTILE, ids=["short", "quotes", "braces and more", "long"])
def test_any_text_can_stand_in_any_place(
    location: Location, text: str, newline: str, sent: Callable[[bytes, Location], Any]
) -> None:
    before = b"\xef\xbb\xbf" + module_of(location).replace(b"\n", newline.encode())
    new = with_kept(location, text)
    after = edited(before, location, new)
    assert sent(after, location) == location.sent(new)
    assert newline == "\n" or b"\n" not in after.replace(b"\r\n", b"")
    assert sent(edited(after, location, location.text), location) == location.sent(location.text)


def test_the_old_text_gives_the_same_bytes(location: Location) -> None:
    assert edited(module_of(location), location, location.text) == module_of(location)


def test_what_code_fills_in_is_neither_dropped_nor_invented(location: Location) -> None:
    if any(isinstance(part.node, ast.JoinedStr) or part.computed for part in expression_of(location).parts):
        for text in ("Nothing is filled in.", location.text + " {invented}", location.text + " {single"):
            with pytest.raises(ArtifactError):
                edited(module_of(location), location, text)
    elif expression_of(location).filled_by_percent:
        for text in ("Nothing is filled in.", location.text + " %d", location.text + " 5% more"):
            with pytest.raises(ArtifactError, match="fills in %s"):
                edited(module_of(location), location, text)


def expression_of(location: Location) -> TextExpression:
    expression = texts_of(module_of(location), "p.py").texts[location.name].expression
    assert expression is not None
    return expression


def test_a_pattern_reaches_it(location: Location, make_store: MakeStore) -> None:
    pattern = re.sub(r"\A\w+", "*", location.name)
    store = make_store({"app/p.py": module_of(location)}, f"app/*.py::{pattern}")
    assert f"app/p.py::{location.name}" in [artifact.address for artifact in store.all("prompt")]
    assert store.in_scope(f"app/p.py::{location.name}", "prompt")


class Result(NamedTuple):
    """All locations in one project: edited and written together, run in a process of its own, and undone."""

    listed: dict[str, str]
    sent: dict[str, str]
    undone: dict[str, bytes]
    patch_applies: bool


PATHS = {name: f"app/p{number}.py" for number, name in enumerate(LOCATIONS)}

RUN = """
import importlib.util, json, sys
sys.path.insert(0, "app")
sent = {}
for path, run in json.load(sys.stdin).items():
    spec = importlib.util.spec_from_file_location("p", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sent[path] = eval(run, vars(module))
print(json.dumps(sent))
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    root = tmp_path_factory.mktemp("project")
    before = {PATHS[name]: module_of(location) for name, location in LOCATIONS.items()}
    for path, content in {**before, "app/lib.py": LIBRARY.encode()}.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(content)
    addresses = {name: f"{PATHS[name]}::{location.name}" for name, location in LOCATIONS.items()}
    store = ArtifactStore(root, Scope(prompts=list(addresses.values())))
    listed = {artifact.address: artifact.text for artifact in store.all()}
    edits = [
        Edit(address=addresses[name], before=location.text, after=with_kept(location, NEW))
        for name, location in LOCATIONS.items()
    ]
    after = store.render(edits)
    assert {edit.address: edit.after for edit in edits_between(store, after)} == {
        edit.address: store.with_files(after).get(edit.address).text for edit in edits
    }
    patch = unified_diff(root, after).encode()
    checked = subprocess.run(["git", "apply", "--check", "-"], cwd=root, input=patch, check=False)
    write(root, before, after)
    runs = json.dumps({PATHS[name]: location.run for name, location in LOCATIONS.items()})
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=root, input=runs, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    write(root, after, before)
    undone = {path: (root / path).read_bytes() for path in before}
    return Result(listed, json.loads(done.stdout), undone, checked.returncode == 0)


def write(root: Path, old: Mapping[str, bytes], new: Mapping[str, bytes]) -> None:
    expected = {path: hashlib.sha256(content).hexdigest() for path, content in old.items()}
    written = write_back(root, dict(new), expected=expected, journal=root.parent / "write.json")
    assert sorted(written.written) == sorted(new)


@pytest.mark.parametrize("name", LOCATIONS)
def test_it_is_listed_edited_written_run_and_undone(name: str, result: Result) -> None:
    location, path = LOCATIONS[name], PATHS[name]
    assert result.listed[f"{path}::{location.name}"] == location.text
    assert result.sent[path] == location.sent(with_kept(location, NEW))
    assert result.undone[path] == module_of(location)
    assert result.patch_applies
    located = {text.address: text.value for text in texts_in_file(module_of(location), path)}
    assert located[f"{path}::{location.name}"] == location.text
    assert all(part in location.sent(location.text) for part in fixed_parts(location.text))
