"""Which functions could be the pipeline, and the fixture that gives the one that was chosen."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_fapo.cli.init.source_modules import AppFunction, AppParameter, CallGraph, SourceModule, dotted

_TEXTS: tuple[tuple[re.Pattern[str], tuple[str, str, str]], ...] = (
    (
        re.compile(r"question|query|^q$|prompt|topic|subject", re.I),
        ("What are your opening hours?", "How do I send something back?", "Do you deliver on Saturdays?"),
    ),
    (re.compile(r"lang", re.I), ("English", "French", "German")),
    (
        re.compile(r"url|link", re.I),
        ("https://example.com/1", "https://example.com/2", "https://example.com/3"),
    ),
    (re.compile(r"name|author|user|customer", re.I), ("Ada Lovelace", "Alan Turing", "Grace Hopper")),
    (re.compile(r"(?:^|_)id$", re.I), ("1001", "1002", "1003")),
    (
        re.compile(""),
        (
            "I was charged twice for one order.",
            "The parcel has not arrived yet.",
            "Thank you, the lamp works well.",
        ),
    ),
)


def sample(parameter: AppParameter, number: int) -> Any:
    """A value for a parameter, by its annotation and its name.

    Args:
        parameter: what must be given.
        number: of which case, from 0 to 2.
    """
    annotation = parameter.annotation.replace("typing.", "")
    kind = re.split(r"[\[| ]", annotation.removeprefix("Optional["), maxsplit=1)[0].strip("'\"").lower()
    text = next(texts for name, texts in _TEXTS if name.search(parameter.name))[number]
    if kind == "int":
        return number + 1
    if kind == "float":
        return float(number + 1)
    if kind == "bool":
        return number == 0
    if kind in ("dict", "mapping"):
        return {}
    if kind == "literal":
        choices = re.findall(r"['\"]([^'\"]*)['\"]", annotation)
        return choices[number % len(choices)] if choices else text
    if kind in ("list", "sequence", "iterable", "tuple") or (not kind and parameter.name == "messages"):
        holds_messages = parameter.name == "messages" or "dict" in annotation.lower()
        return [{"role": "user", "content": text}] if holds_messages else [text]
    return text


def inputs_of(takes: Sequence[AppParameter], number: int, *, positional: bool) -> Any:
    """A case's inputs: keyword arguments, or the one value where it cannot be given by keyword."""
    if positional and len(takes) == 1:
        return sample(takes[0], number)
    return {parameter.name: sample(parameter, number) for parameter in takes}


@dataclass(frozen=True)
class FixtureSubject:
    """What the first cases run through.

    Args:
        function: of the application; None where none was found.
        record: where the function takes one object made of fields (a dataclass, a pydantic model): its import
            path `app.models.Ticket`.
        fields: what that object is made of.
    """

    function: AppFunction | None
    record: str = ""
    fields: tuple[AppParameter, ...] = ()

    @property
    def label(self) -> str:
        """For file and test names."""
        name = self.function.name if self.function is not None else "pipeline"
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace(".__call__", "").replace(".", "_"))
        return words.lower().strip("_") or "pipeline"

    def inputs(self, number: int) -> Any:
        """Inputs of one of the first cases, number 0 to 2."""
        function = self.function
        if function is None:
            return inputs_of([AppParameter("text", "str")], number, positional=False)
        takes = self.fields or function.takes
        return inputs_of(takes, number, positional=function.positional and not self.record)

    @property
    def left_to_do(self) -> str:
        """What the reader has to fill in before the fixture works; empty where it does."""
        function = self.function
        if function is None or ((function.fits or self.record) and not function.owner_needs):
            return ""
        if function.owner_needs:
            return f"give {function.owner} what it needs: {', '.join(function.owner_needs)}"
        odd = [each for each in function.takes if not each.is_plain]
        if odd:
            named = ", ".join(f"{each.name} ({each.annotation})" for each in odd)
            return f"inputs of cases are JSON: make {named} of them"
        return f"{function.name} takes nothing: give a function whose arguments are a case's inputs"


def subject_of(function: AppFunction | None, modules: Mapping[str, SourceModule]) -> FixtureSubject:
    """The subject, with the record that the function takes where its class is one of the application's."""
    if function is None or len(function.takes) != 1 or function.takes[0].is_plain:
        return FixtureSubject(function)
    name = function.takes[0].annotation.strip("'\"")
    full = function.module.imports.get(name, f"{function.module.name}.{name}")
    home, _, class_name = full.rpartition(".")
    module = modules.get(home)
    for statement in module.tree.body if module is not None else []:
        if isinstance(statement, ast.ClassDef) and statement.name == class_name:
            fields = _fields(statement)
            if fields and all(each.is_plain for each in fields):
                return FixtureSubject(function, full, fields)
    return FixtureSubject(function)


def _fields(owner: ast.ClassDef) -> tuple[AppParameter, ...]:
    is_record = any(dotted(each).endswith("dataclass") for each in owner.decorator_list) or any(
        dotted(base).endswith("BaseModel") for base in owner.bases
    )
    return tuple(
        AppParameter(each.target.id, ast.unparse(each.annotation))
        for each in owner.body
        if is_record
        and isinstance(each, ast.AnnAssign)
        and each.value is None
        and isinstance(each.target, ast.Name)
    )


def fixture_source(subject: FixtureSubject, name: str) -> str:
    """The fixture's function. The application is imported inside of it, so that an application that cannot
    be imported fails the cases and no other test."""
    body = _body(subject)
    return f'@pytest.fixture(scope="session")\ndef {name}():\n' + "".join(
        f"    {line}\n" if line else "\n" for line in body
    )


def _body(subject: FixtureSubject) -> list[str]:
    function = subject.function
    if function is None:
        return [
            "def answer(text):  # give your own function instead: `from app.pipeline import answer`",
            '    return f"You said: {text}"',
            "",
            "return answer",
        ]
    imported = function.owner or function.node.name
    imports = [f"from {function.module.name} import {imported}"]
    what = _expression(function)
    comment = f"  # {subject.left_to_do}" if subject.left_to_do else ""
    if not subject.record:
        return [*imports, "", f"return {what}{comment}"]
    home, _, record = subject.record.rpartition(".")
    if home == function.module.name:
        imports = [f"from {home} import {', '.join(sorted({imported, record}))}"]
    else:
        imports = sorted([*imports, f"from {home} import {record}"])
    is_async = isinstance(function.node, ast.AsyncFunctionDef)
    call = f"{what}({record}(**inputs))"
    return [
        *imports,
        "",
        f"{'async ' if is_async else ''}def with_inputs(**inputs):",
        f"    return {'await ' if is_async else ''}{call}",
        "",
        f"return with_inputs{comment}",
    ]


def _expression(function: AppFunction) -> str:
    if not function.owner:
        return function.node.name
    made = f"{function.owner}({', '.join(f'{name}=...' for name in function.owner_needs)})"
    if function.node.name == "__call__":
        return made
    shared = {dotted(each) for each in function.node.decorator_list} & {"staticmethod", "classmethod"}
    return f"{function.owner if shared else made}.{function.node.name}"


_CLIENTS = re.compile(r"llm|client|model|provider|openai|anthropic|completion|gateway|backend", re.I)

_LIKELY = ("pipeline", "answer", "handle", "process", "run", "ask", "respond", "reply", "chat", "generate")


def pipeline_candidates(graph: CallGraph, modules: Mapping[str, SourceModule]) -> list[AppFunction]:
    """The functions below which a model is asked, the likeliest first.

    That is one which case inputs fit, which no other work of the application calls, and below which most
    calls lie.

    Args:
        graph: the application's functions.
        modules: its modules by name.
    """
    reaching = graph.reaching
    called = {
        target
        for caller in reaching
        if not graph.functions[caller].is_entry and graph.functions[caller].takes
        for target in graph.calls[caller]
    }
    candidates = [
        graph.functions[target]
        for target in reaching
        if not graph.functions[target].node.name.startswith("__") or target.endswith(".__call__")
    ]
    return sorted(
        candidates,
        key=lambda function: (
            bool(subject_of(function, modules).left_to_do),
            function.is_entry,
            function.target in called,
            function.is_private,
            -len(reaching[function.target]),
            -len(graph.below(function.target) & set(reaching)),
            not any(word in function.node.name for word in _LIKELY),
            function.target,
        ),
    )


def step_patterns(graph: CallGraph, pipeline: AppFunction) -> list[str]:
    """Entries of the setting `steps`: the pipeline and what it calls on the way to a model.

    What they only use to ask (`llm.ask`) is no step of its own, or every failure would be blamed on it. Where
    such a one stands among the steps they are named one by one, else by their module.
    """
    way = way_to_models(graph, pipeline)
    helpers = {target for target in way if target != pipeline.target and _only_asks(graph, target)}
    steps = [graph.functions[target] for target in sorted(way - helpers)]
    apart = {_place(graph.functions[target]) for target in helpers}
    return sorted({step.target if _place(step) in apart else f"{_place(step)}*" for step in steps})


def way_to_models(graph: CallGraph, pipeline: AppFunction) -> set[str]:
    """The pipeline, and all functions below it that lead to a model."""
    return (graph.below(pipeline.target) & set(graph.reaching)) | {pipeline.target}


def _only_asks(graph: CallGraph, target: str) -> bool:
    """Whether a function asks a model for whoever calls it, and so is no piece of work by itself."""
    callers = [caller for caller, called in graph.calls.items() if target in called]
    module = graph.functions[target].module.name.rpartition(".")[2]
    return target in graph.asking and (len(callers) > 1 or bool(_CLIENTS.search(module)))


def _place(function: AppFunction) -> str:
    """What stands before a function's name in an entry: `app.pipeline:` or `app.pipeline:Bot.`."""
    return f"{function.module.name}:{function.owner}." if function.owner else f"{function.module.name}:"
