"""Candidates for the pipeline, each with its fixture and the form of its output."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_fapo.cli.init.app_code import (
    AppCode,
    AppFunction,
    AppModule,
    AppParameter,
    dotted,
    fields_of,
    parameters,
)

_CLIENT = re.compile(r"llm|client|model|provider|openai|anthropic|completion|gateway|backend", re.I)

_LIKELY = re.compile(r"pipeline|answer|handle|process|run|ask|respond|reply|chat|generate")

_TEXTS = (
    "I was charged twice for one order.",
    "The parcel has not arrived yet.",
    "Thank you, the lamp works well.",
)


@dataclass(frozen=True)
class OutputForm:
    """The form of a pipeline's output, as far as its code tells."""

    kind: Literal["unknown", "text", "number", "keys", "fields"] = "unknown"
    names: tuple[str, ...] = ()
    """Keys of a mapping, or fields of an object."""


@dataclass(frozen=True)
class PipelineChoice:
    """One thing that the cases could run through."""

    target: str
    """`app.pipeline:Bot.answer`."""
    place: str
    module: AppModule
    takes: Sequence[AppParameter]
    """The inputs that each case must give."""
    accepts: frozenset[str]
    """Names that a case may give; `**` where any will do."""
    body: Sequence[str]
    """Lines of the fixture. It imports the application: one that cannot be imported fails its cases only."""
    output: OutputForm
    positional: bool = False
    """True if the one input cannot be given by keyword."""
    left_to_do: str = ""
    """The part that the reader must fill in before the fixture works; empty where it works."""
    function: AppFunction | None = None

    @property
    def label(self) -> str:
        """For file and test names."""
        name = re.sub(r"\.(?:__call__|forward)$", "", self.target.partition(":")[2]).replace(".", "_")
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_") or "pipeline"

    def sample(self, number: int) -> Any:
        """Return inputs for one of the first cases, number 0 to 2."""
        values = {each.name: _sample(each, number) for each in self.takes}
        return next(iter(values.values())) if self.positional and len(values) == 1 else values


def _sample(parameter: AppParameter, number: int) -> Any:
    kind = re.split(r"\W", parameter.annotation.replace("typing.", "").replace("Optional[", ""))[0].lower()
    if kind in ("list", "sequence", "iterable", "tuple") or (not kind and parameter.name == "messages"):
        text = _TEXTS[number]
        return [{"role": "user", "content": text}] if parameter.name == "messages" else [text]
    if kind == "literal":
        choices = re.findall(r"['\"](.*?)['\"]", parameter.annotation) or _TEXTS
        return choices[number % len(choices)]
    values = {"int": number + 1, "float": number + 1.0, "bool": number == 0, "dict": {}, "mapping": {}}
    return values.get(kind, _TEXTS[number])


def candidates(code: AppCode) -> list[PipelineChoice]:
    """Return the candidates for the pipeline, the likeliest first.

    That is a function which case inputs fit, which no other work of the application calls, and below which
    most calls of a model lie; then an agent, chain or program that a module makes.
    """
    work = [
        each for each in map(code.functions.__getitem__, code.reaching) if each.takes and not each.is_entry
    ]
    called = {target for function in work for target in code.calls[function.target]}
    ranked: list[tuple[tuple[Any, ...], PipelineChoice]] = []
    for target, asking in code.reaching.items():
        choice = function_choice(code, code.functions[target])
        name = target.partition(":")[2]
        ranking = (target in called, bool(re.search(r"(?:^|\.)_(?!_call__)", name)), -len(asking))
        further = (-len(code.below(target) & set(code.reaching)), not _LIKELY.search(name), target)
        if not re.search(r"\.__(?!call__)", name):
            ranked.append(
                ((bool(choice.left_to_do), code.functions[target].is_entry, *ranking, *further), choice)
            )
    objects = (choice for module in code.modules.values() for choice in _object_choices(module))
    ranked += [((False, True, -1, number), choice) for number, choice in enumerate(objects)]
    return [choice for _, choice in sorted(ranked, key=lambda each: each[0])]


def function_choice(code: AppCode, function: AppFunction) -> PipelineChoice:
    """Return the choice of a function or method."""
    node, owner, module = function.node, function.owner, function.module
    takes, accepts = function.takes, {each.name for each in function.accepts}
    imported = {(module.name, owner or node.name)}
    shared = not owner or function.decorators & {"staticmethod", "classmethod"}
    needs = [] if shared else _needs(module.classes[owner])
    made = owner if shared else f"{owner}({', '.join(f'{name}=...' for name in needs)})"
    what = made if node.name in ("__call__", "forward") else f"{made}.{node.name}".strip(".")
    body = [f"return {what}"]
    record = code.find_class(module, takes[0].annotation.strip("'\"")) if len(takes) == 1 else None
    fields = fields_of(record[1], "BaseModel") if record is not None else []
    if record is not None and fields and all(each.is_plain for each in fields if each.required):
        takes, accepts = [each for each in fields if each.required], {each.name for each in fields}
        imported.add((record[0].name, record[1].name))
        first, wait = ("async ", "await ") if isinstance(node, ast.AsyncFunctionDef) else ("", "")
        call = f"    return {wait}{what}({record[1].name}(**inputs))"
        body = [f"{first}def with_inputs(**inputs):", call, "", "return with_inputs"]
    todo = _left_to_do(function, takes, needs)
    body[-1] += f"  # {todo}" if todo else ""
    homes = sorted({home for home, _ in imported})
    imports = [
        f"from {home} import {', '.join(sorted(name for each, name in imported if each == home))}"
        for home in homes
    ]
    return PipelineChoice(
        function.target,
        f"{module.path}:{node.lineno}",
        module,
        takes,
        frozenset({*accepts, *(["**"] if node.args.kwarg is not None else [])}),
        [*imports, "", *body],
        output_of(code, function),
        positional=bool({each.arg for each in node.args.posonlyargs} & {each.name for each in takes}),
        left_to_do=todo,
        function=function,
    )


def _needs(owner: ast.ClassDef) -> list[str]:
    """Return what a class must be given to be made."""
    for each in owner.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return [one.name for one in parameters(each.args)[1:] if one.required]
    return [each.name for each in fields_of(owner, "BaseModel") if each.required]


def _left_to_do(function: AppFunction, takes: Sequence[AppParameter], needs: Sequence[str]) -> str:
    if needs:
        return f"give {function.owner} what it needs: {', '.join(needs)}"
    odd = ", ".join(f"{each.name} ({each.annotation})" for each in takes if not each.is_plain)
    if odd:
        return f"inputs of cases are JSON: make {odd} of them"
    return (
        "" if takes else f"{function.name} takes nothing: give a function whose arguments are a case's inputs"
    )


_MESSAGES = '{{"messages": [{{"role": "user", "content": text}}]}}'

_OBJECTS = (
    ("pydantic_ai", r"Agent\(", "(await {name}.run(text)).output"),
    ("agents", r"Agent\(", "(await Runner.run({name}, text)).final_output"),
    ("lang", r"create_(?:react_)?agent\(", f'{{name}}.invoke({_MESSAGES})["messages"][-1].content'),
    ("langchain", r".* \| ", "{name}.invoke({{{given}}})"),
    ("dspy", r"dspy\.\w+\(.*->", "{name}({keywords})"),
)
"""Library, how an object at the top of a module is made, and how the library's documentation asks it."""


def _object_choices(module: AppModule) -> Iterator[PipelineChoice]:
    """Yield the agents, chains and programs that a module makes at its top level."""
    for name, value in module.objects.items():
        source = ast.unparse(value)
        for library, made_by, form in _OBJECTS:
            used = any(each.startswith(library) for each in module.imports.values())
            if used and re.match(made_by, source, re.S):
                yield _object_choice(module, name, value, form)
                break


def _object_choice(module: AppModule, name: str, value: ast.expr, form: str) -> PipelineChoice:
    inputs, output = ["text"], OutputForm("text")
    if "{given}" in form:  # a chain takes what its prompts leave open
        inputs, output = re.findall(r"\{(\w+)\}", " ".join(module.texts)) or inputs, OutputForm()
    elif "{keywords}" in form:
        inputs = re.findall(
            r"(\w+)[^,]*", ast.unparse(value).partition("->")[0].partition("(")[2].strip("'\"")
        )
        output = _signature_output(ast.unparse(value))
    names = list(dict.fromkeys(inputs))
    given, keywords = (", ".join(each.format(name) for name in names) for each in ('"{0}": {0}', "{0}={0}"))
    body = [
        *(["from agents import Runner"] if "Runner" in form else []),
        f"from {module.name} import {name}",
        "",
        f"{'async ' if 'await' in form else ''}def answer({', '.join(names)}):",
        f"    return {form.format(name=name, given=given, keywords=keywords)}",
        "",
        "return answer",
    ]
    takes = [AppParameter(each, "str") for each in names]
    place = f"{module.path}:{value.lineno}"
    return PipelineChoice(f"{module.name}:{name}", place, module, takes, frozenset(names), body, output)


def output_of(code: AppCode, function: AppFunction, depth: int = 3) -> OutputForm:
    """Return what a function gives back, by its annotation and its `return` statements."""
    node = function.node
    said = ast.unparse(node.returns).strip("'\"") if node.returns is not None else ""
    if said in ("str", "int", "float"):
        return OutputForm("text" if said == "str" else "number")
    record = code.find_class(function.module, said)
    if record is not None:
        names = tuple(each.name for each in fields_of(record[1], "BaseModel", "TypedDict"))
        return OutputForm("keys" if "TypedDict" in map(dotted, record[1].bases) else "fields", names)
    values = [
        each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value is not None
    ]
    forms = [
        form for value in values[::-1] if (form := _form_of(code, function, value, depth)).kind != "unknown"
    ]
    if not forms and function.owner and node.name == "forward":
        return _signature_output(ast.unparse(function.module.tree))
    return forms[0] if forms else OutputForm("keys" if re.match(r"dict|Dict|Mapping", said) else "unknown")


def _form_of(code: AppCode, function: AppFunction, value: ast.expr, depth: int) -> OutputForm:
    value = value.value if isinstance(value, ast.Await) else value
    if isinstance(value, ast.Dict):
        return OutputForm(
            "keys", tuple(str(each.value) for each in value.keys if isinstance(each, ast.Constant))
        )
    if isinstance(value, ast.JoinedStr) or re.search(r"\.(?:content|output_text|strip)$", dotted(value)):
        return OutputForm("text")
    if isinstance(value, ast.Name) and depth:
        assigned = (each for each in ast.walk(function.node) if isinstance(each, ast.Assign))
        values = [each.value for each in assigned if dotted(each.targets[0]) == value.id]
        return _form_of(code, function, values[-1], depth - 1) if values else OutputForm()
    if isinstance(value, ast.Call):
        name = dotted(value.func)
        if name.endswith("Prediction") or code.find_class(function.module, name) is not None:
            return OutputForm("fields", tuple(each.arg for each in value.keywords if each.arg))
        for target in code.named(function.module, name) if depth else ():
            return output_of(code, code.functions[target], depth - 1)
    return OutputForm()


def _signature_output(source: str) -> OutputForm:
    """Return the outputs of the last signature of DSPy that a piece of code spells out."""
    found = re.findall(r"->\s*([\w ,:\[\]]+)['\"]", source)
    fields = re.findall(r"(\w+): \S+ = dspy\.OutputField", source)
    return OutputForm("fields", tuple(re.findall(r"(\w+)[^,]*", found[-1])) if found else tuple(fields))


def step_patterns(code: AppCode, pipeline: AppFunction) -> list[str]:
    """Return the setting `steps`: the pipeline and what it calls on the way to a model.

    What they only use to ask (`llm.ask`) is no step of its own, or every failure would be blamed on it. Where
    such a one stands among the steps they are named one by one, else by their module.
    """
    way = way_to_models(code, pipeline)
    helpers = {target for target in way if target != pipeline.target and _only_asks(code, target)}
    homes = {target: re.sub(r"(:(?:\w+\.)?)\w+$", r"\1", target) for target in way}
    apart = {homes[target] for target in helpers}
    return sorted({target if homes[target] in apart else f"{homes[target]}*" for target in way - helpers})


def way_to_models(code: AppCode, pipeline: AppFunction) -> set[str]:
    """Return the pipeline, and all functions below it that lead to a model."""
    return (code.below(pipeline.target) & set(code.reaching)) | {pipeline.target}


def _only_asks(code: AppCode, target: str) -> bool:
    """True if a function asks a model for whoever calls it, and so is no piece of work by itself."""
    callers = sum(target in called for called in code.calls.values())
    module = target.partition(":")[0].rpartition(".")[2]
    return target in code.asking and (callers > 1 or bool(_CLIENT.search(module)))
