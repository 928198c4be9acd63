"""Every place in Python source where people write prompts."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import NamedTuple

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


class PythonLocation(NamedTuple):
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
    "constant": PythonLocation('PROMPT = "Sort the ticket."', "PROMPT", "Sort the ticket.", "PROMPT"),
    "dict entry": PythonLocation(
        'PROMPTS = {"triage": "Sort the ticket.", "draft": "Reply."}',
        "PROMPTS.triage",
        "Sort the ticket.",
        'PROMPTS["triage"]',
    ),
    "nested dict entry": PythonLocation(
        'PROMPTS = {\n    "triage": {\n        "system": "Sort the ticket.",\n    },\n}',
        "PROMPTS.triage.system",
        "Sort the ticket.",
        'PROMPTS["triage"]["system"]',
    ),
    "dict entry under a key with a dot": PythonLocation(
        'PROMPTS = {"gpt-4.1": "Sort the ticket."}',
        'PROMPTS."gpt-4.1"',
        "Sort the ticket.",
        'PROMPTS["gpt-4.1"]',
    ),
    "dict entry under an Enum member": PythonLocation(
        'import enum\nclass Team(enum.Enum):\n    BILLING = 1\nPROMPTS = {Team.BILLING: "Sort the ticket."}',
        'PROMPTS."Team.BILLING"',
        "Sort the ticket.",
        "PROMPTS[Team.BILLING]",
    ),
    "dict entry of several lines": PythonLocation(
        'PROMPTS = {\n    "triage": """\\\nSort the ticket.\nBe brief.\n""",\n}',
        "PROMPTS.triage",
        "Sort the ticket.\nBe brief.\n",
        'PROMPTS["triage"]',
    ),
    "dict entry set later": PythonLocation(
        'PROMPTS = {}\nPROMPTS["triage"] = "Sort the ticket."',
        "PROMPTS.triage",
        "Sort the ticket.",
        'PROMPTS["triage"]',
    ),
    "list": PythonLocation(
        'LINES = ["Be kind.", "Sort the ticket."]', "LINES[1]", "Sort the ticket.", "LINES[1]"
    ),
    "tuple": PythonLocation(
        'LINES = (\n    "Sort the ticket.",\n    "Be kind.",\n)', "LINES[0]", "Sort the ticket.", "LINES[0]"
    ),
    "message list": PythonLocation(
        'MESSAGES = [{"role": "system", "content": "Sort the ticket."}]',
        "MESSAGES[0].content",
        "Sort the ticket.",
        'MESSAGES[0]["content"]',
    ),
    "message pairs": PythonLocation(
        'MESSAGES = [("system", "Sort the ticket."), ("user", "{ticket}")]',
        "MESSAGES[0]",
        "Sort the ticket.",
        "MESSAGES[0][1]",
    ),
    "dict call": PythonLocation(
        'PROMPTS = dict(system="Sort the ticket.")',
        "PROMPTS.system",
        "Sort the ticket.",
        'PROMPTS["system"]',
    ),
    "from_messages": PythonLocation(
        "prompt = ChatPromptTemplate.from_messages(\n    [\n        (\n            'system',\n"
        "            'Sort the ticket. '\n            'Be brief.',\n        ),\n"
        "        ('human', '{ticket}'),\n    ]\n)",
        "prompt[0]",
        "Sort the ticket. Be brief.",
        "prompt.messages[0][1]",
    ),
    "message objects": PythonLocation(
        'prompt = ChatPromptTemplate([SystemMessage(content="Sort the ticket.")])',
        "prompt[0].content",
        "Sort the ticket.",
        "prompt.messages[0].content",
    ),
    "from_template": PythonLocation(
        'prompt = PromptTemplate.from_template("Sort the ticket {ticket}.")',
        "prompt[0]",
        "Sort the ticket {ticket}.",
        'prompt.text.format(ticket="T")',
        "{ticket}",
        filled(ticket="T"),
    ),
    "keyword argument": PythonLocation(
        'agent = Agent("openai:gpt-4o", instructions="Sort the ticket.")',
        "agent.instructions",
        "Sort the ticket.",
        "agent.instructions",
    ),
    "keyword argument that is a call": PythonLocation(
        'agent = Agent[str]("openai:gpt-4o", prompt=PromptTemplate("Sort the ticket."))',
        "agent.prompt[0]",
        "Sort the ticket.",
        "agent.prompt.text",
    ),
    "string.Template": PythonLocation(
        'import string\nprompt = string.Template("Sort the ticket $ticket.")',
        "prompt[0]",
        "Sort the ticket $ticket.",
        'prompt.substitute(ticket="T")',
        "$ticket",
        lambda text: text.replace("$ticket", "T"),
    ),
    "second positional argument": PythonLocation(
        'Triage = Signature("ticket -> team", "Sort the ticket.")',
        "Triage[1]",
        "Sort the ticket.",
        "Triage.instructions",
    ),
    "dedented entry": PythonLocation(
        "import textwrap\nPROMPTS = {\n    'triage': textwrap.dedent('''\\\n        Sort the ticket.\n"
        "          Be brief.\n        '''),\n}",
        "PROMPTS.triage",
        "Sort the ticket.\n  Be brief.\n",
        'PROMPTS["triage"]',
        "",
        textwrap.dedent,
    ),
    "docstring of a class": PythonLocation(
        'class Triage(Signature):\n    """Sort the ticket."""\n',
        "Triage.__doc__",
        "Sort the ticket.",
        "__import__('inspect').getdoc(Triage)",
        "",
        inspect.cleandoc,
    ),
    "docstring of several lines": PythonLocation(
        'def lookup(city):\n    """Find the weather.\n\n    Args:\n        city: its name.\n    """\n',
        "lookup.__doc__",
        "Find the weather.\n\nArgs:\n    city: its name.",
        "__import__('inspect').getdoc(lookup)",
        "",
        inspect.cleandoc,
    ),
    "docstring of an async method": PythonLocation(
        "class Desk:\n\tasync def lookup(self):\n\t\t'''Sort the ticket.'''\n\t\treturn 1\n",
        "Desk.lookup.__doc__",
        "Sort the ticket.",
        "__import__('inspect').getdoc(Desk.lookup)",
        "",
        inspect.cleandoc,
    ),
    "Field(description=)": PythonLocation(
        'class Team:\n    team: str = Field(description="The team\'s name.")\n',
        "Team.team.description",
        "The team's name.",
        "Team.team",
    ),
    "InputField(desc=)": PythonLocation(
        'class Triage(Signature):\n    ticket: str = InputField(desc="What they wrote.")\n',
        "Triage.ticket.desc",
        "What they wrote.",
        "Triage.ticket",
    ),
    "Annotated field": PythonLocation(
        "from typing import Annotated\nclass Team:\n"
        '    team: Annotated[str, Field(description="The team\'s name.")] = "billing"\n',
        "Team.team.description",
        "The team's name.",
        'Team.__annotations__["team"].__metadata__[0]',
    ),
    "Annotated argument": PythonLocation(
        "from typing import Annotated\n"
        'def lookup(city: Annotated[str, "The city\'s name."]):\n    return city\n',
        "lookup(city).annotation",
        "The city's name.",
        'lookup.__annotations__["city"].__metadata__[0]',
    ),
    "default of an argument": PythonLocation(
        'def triage(ticket, system="Sort the ticket."):\n    return ask(system)\n',
        "triage(system)",
        "Sort the ticket.",
        'triage("T")',
    ),
    "default of a keyword argument of a method": PythonLocation(
        'class Desk:\n    def ask(self, *, system: str = "Sort the ticket."):\n        return ask(system)\n',
        "Desk.ask(system)",
        "Sort the ticket.",
        "Desk().ask()",
    ),
    "attribute set in __init__": PythonLocation(
        'class Desk:\n    def __init__(self):\n        self.system = "Sort the ticket."\n',
        "Desk.system",
        "Sort the ticket.",
        "ask(Desk().system)",
    ),
    "attribute set later": PythonLocation(
        'agent = Agent()\nagent.instructions = "Sort the ticket."',
        "agent.instructions",
        "Sort the ticket.",
        "agent.instructions",
    ),
    "local variable": PythonLocation(
        'def triage(ticket):\n    prompt = "Sort the ticket."\n    return ask(prompt, ticket)\n',
        "triage.prompt",
        "Sort the ticket.",
        'triage("T")',
    ),
    "result of a function": PythonLocation(
        'def instructions(context):\n    return "Sort the ticket."\n',
        "instructions.return",
        "Sort the ticket.",
        "instructions(0)",
    ),
    "messages that a function builds": PythonLocation(
        'def build(ticket):\n    return [{"role": "system", "content": "Sort the ticket."}]\n',
        "build.return[0].content",
        "Sort the ticket.",
        'build("T")[0]["content"]',
    ),
    "f-string bound to a name": PythonLocation(
        'SHOP = "Lamps"\nPROMPT = f"Sort the ticket for {SHOP}."',
        "PROMPT",
        "Sort the ticket for {SHOP}.",
        "PROMPT",
        "{SHOP}",
        filled(SHOP="Lamps"),
    ),
    "f-string in a call": PythonLocation(
        'def reply(text):\n    return ask(f"Reply to {text}. {{}}")\n',
        "reply{text}",
        "Reply to {text}. {{}}",
        'reply("T")',
        "{text}",
        filled(text="T"),
    ),
    "f-string with expressions and several tokens": PythonLocation(
        'TEAMS = ["billing", "other"]\ndef triage(ticket):\n    return ask(\n'
        "        f\"Sort into {', '.join(TEAMS)}.\\n\"\n"
        '        "Be brief {now}.\\n"\n        f"<t>{ticket!s:>3}</t>"\n    )\n',
        "triage{TEAMS,ticket}",
        "Sort into {TEAMS}.\nBe brief {{now}}.\n<t>{ticket}</t>",
        'triage("T")',
        "{TEAMS} {ticket}",
        filled(TEAMS="billing, other", ticket="  T"),
    ),
    "f-string of several lines": PythonLocation(
        'def triage(ticket):\n    prompt = rf"""Sort \\d the ticket.\n\n    <t>{ticket}</t>"""\n'
        "    return ask(prompt)\n",
        "triage.prompt",
        "Sort \\d the ticket.\n\n    <t>{ticket}</t>",
        'triage("T")',
        "{ticket}",
        filled(ticket="T"),
    ),
    "format": PythonLocation(
        'PROMPT = "Sort the ticket {}.".format("T")',
        "PROMPT",
        "Sort the ticket {}.",
        "PROMPT",
        "{}",
        lambda text: text.format("T"),
    ),
    "format in a call": PythonLocation(
        'def triage(ticket):\n    return ask("Sort the ticket {t}.".format(t=ticket))\n',
        "triage.ask[0]",
        "Sort the ticket {t}.",
        'triage("T")',
        "{t}",
        filled(t="T"),
    ),
    "replace": PythonLocation(
        'PROMPT = "Sort the ticket <<T>>.".replace("<<T>>", "T")',
        "PROMPT",
        "Sort the ticket <<T>>.",
        "PROMPT",
        "<<T>>",
        lambda text: text.replace("<<T>>", "T"),
    ),
    "percent": PythonLocation(
        'PROMPT = "Sort the ticket %s, 100%%." % "T"',
        "PROMPT",
        "Sort the ticket %s, 100%%.",
        "PROMPT",
        "%s",
        lambda text: text % "T",
    ),
    "sum of literals": PythonLocation(
        'PROMPT = "Sort the ticket. " + "Be brief."', "PROMPT", "Sort the ticket. Be brief.", "PROMPT"
    ),
    "sum with a name": PythonLocation(
        'def triage(ticket):\n    return ask("Sort the ticket.\\n" + ticket + "\\nBe brief.")\n',
        "triage{ticket}",
        "Sort the ticket.\n{ticket}\nBe brief.",
        'triage("T")',
        "{ticket}",
        filled(ticket="T"),
    ),
    "sum that ends with a name": PythonLocation(
        'def triage(ticket):\n    return ask("Sort the ticket: " + ticket)\n',
        "triage{ticket}",
        "Sort the ticket: {ticket}",
        'triage("T")',
        "{ticket}",
        filled(ticket="T"),
    ),
    "join": PythonLocation(
        'PROMPT = "\\n".join(["Sort the ticket.", "Be brief."])',
        "PROMPT",
        "Sort the ticket.\nBe brief.",
        "PROMPT",
    ),
    "join with a name": PythonLocation(
        'def triage(ticket):\n    return ask("\\n".join(["Sort the ticket.", "Be brief.", ticket]))\n',
        "triage{ticket}",
        "Sort the ticket.\nBe brief.\n{ticket}",
        'triage("T")',
        "\nBe brief.\n{ticket}",
        filled(ticket="T"),
    ),
    "branch of if": PythonLocation(
        'if len("a") == 1:\n    PROMPT = "Sort the ticket."\nelse:\n    PROMPT = "Reply now."',
        "PROMPT#1",
        "Sort the ticket.",
        "PROMPT",
    ),
    "branch of try": PythonLocation(
        'try:\n    import missing_library\n    PROMPT = "Reply now."\n'
        'except ImportError:\n    PROMPT = "Sort the ticket."',
        "PROMPT#2",
        "Sort the ticket.",
        "PROMPT",
    ),
    "branch of match": PythonLocation(
        "def triage(kind):\n    match kind:\n        case 1:\n            prompt = 'Reply now.'\n"
        "        case _:\n            prompt = 'Sort the ticket.'\n    return ask(prompt)\n",
        "triage.prompt#2",
        "Sort the ticket.",
        "triage(2)",
    ),
    "conditional expression": PythonLocation(
        'PROMPT = "Sort the ticket." if len("a") == 1 else "Reply now."',
        "PROMPT#1",
        "Sort the ticket.",
        "PROMPT",
    ),
    "default behind or": PythonLocation(
        'def triage(system=None):\n    prompt = system or "Sort the ticket."\n    return ask(prompt)\n',
        "triage.prompt",
        "Sort the ticket.",
        "triage()",
    ),
    "decorator": PythonLocation(
        '@tool(description="Find the weather.")\ndef lookup(city):\n    return city\n',
        "lookup.tool.description",
        "Find the weather.",
        "lookup.description",
    ),
    "call of a client in a function": PythonLocation(
        "def triage(ticket):\n    return Client().chat.completions.create(\n        model='gpt-4o',\n"
        "        messages=[\n            {'role': 'system', 'content': 'Sort the ticket.'},\n"
        "            {'role': 'user', 'content': ticket},\n        ],\n    )\n",
        "triage.create.messages[0].content",
        "Sort the ticket.",
        'triage("T")',
    ),
    "call whose answer is bound to a name": PythonLocation(
        "async def triage(ticket):\n    answer = ask('Sort the ticket.', ticket)\n    return answer\n",
        "triage.answer[0]",
        "Sort the ticket.",
        "__import__('asyncio').run(triage('T'))",
    ),
    "implicit concatenation by backslash": PythonLocation(
        "PROMPTS = {'triage': 'Sort the '\\\n    'ticket.'}",
        "PROMPTS.triage",
        "Sort the ticket.",
        "PROMPTS['triage']",
    ),
    "nested class": PythonLocation(
        "class Prompts:\n    class Triage:\n        SYSTEM: str = 'Sort the ticket.'\n",
        "Prompts.Triage.SYSTEM",
        "Sort the ticket.",
        "Prompts.Triage.SYSTEM",
    ),
    "default of a lambda": PythonLocation(
        "triage = lambda ticket, system='Sort the ticket.': ask(system)",
        "triage(system)",
        "Sort the ticket.",
        "triage('T')",
    ),
    "body of a lambda": PythonLocation(
        "triage = lambda ticket: 'Sort the ticket.'", "triage", "Sort the ticket.", "triage('T')"
    ),
    "default factory": PythonLocation(
        "class Desk:\n    system = Field(default_factory=lambda: 'Sort the ticket.')\n",
        "Desk.system.default_factory",
        "Sort the ticket.",
        "Desk.system()",
    ),
    "walrus": PythonLocation(
        "if (prompt := 'Sort the ticket.'):\n    pass", "prompt", "Sort the ticket.", "prompt"
    ),
    "text that grows": PythonLocation(
        "def triage():\n    prompt = 'Be kind. '\n    prompt += 'Sort the ticket.'\n    return prompt\n",
        "triage.prompt#2",
        "Sort the ticket.",
        "triage()",
        "",
        lambda text: "Be kind. " + text,
    ),
    "names that are unpacked": PythonLocation(
        "TRIAGE, DRAFT = 'Sort the ticket.', 'Reply.'", "TRIAGE", "Sort the ticket.", "TRIAGE"
    ),
    "two names of one text": PythonLocation(
        "TRIAGE = DRAFT = 'Sort the ticket.'", "TRIAGE", "Sort the ticket.", "DRAFT"
    ),
    "field of a dataclass": PythonLocation(
        "import dataclasses\n@dataclasses.dataclass\nclass Desk:\n    system: str = 'Sort the ticket.'\n",
        "Desk.system",
        "Sort the ticket.",
        "Desk().system",
    ),
    "member of an Enum": PythonLocation(
        "import enum\nclass Prompt(str, enum.Enum):\n    TRIAGE = 'Sort the ticket.'\n",
        "Prompt.TRIAGE",
        "Sort the ticket.",
        "Prompt.TRIAGE.value",
    ),
    "element of a comprehension": PythonLocation(
        "LINES = ['Sort the ticket.' for _ in range(2)]", "LINES", "Sort the ticket.", "LINES[1]"
    ),
}
