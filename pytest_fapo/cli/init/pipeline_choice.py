"""The pipelines that cases could run through, each with its fixture, steps and form of output."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from pytest_fapo.cli.init.app_code import AppCode, AppFunction, dotted

_LIKELY = re.compile(r"pipeline|answer|handle|process|run|ask|respond|reply|chat|generate")

_CLIENT = re.compile(r"llm|client|model|provider|openai|anthropic|completion|gateway|backend", re.I)

_JSON_TYPE = re.compile(
    r"(?:str|int|float|bool|[lL]ist|[dD]ict|[tT]uple|None|Any|object|Optional|Union|Literal|Mapping|Sequence|Iterable"
    r"|JsonValue|typing|collections|abc|t)"
)


@dataclass(frozen=True)
class OutputForm:
    """The form of a pipeline's output, as far as its code tells."""

    kind: Literal["unknown", "text", "number", "keys", "fields"] = "unknown"
    names: tuple[str, ...] = ()
    """Keys of a mapping, or fields of an object; `**` last where there may be more."""

    @property
    def sentence(self) -> str:
        """It in words, for a reader who compares it with something else."""
        if self.kind in ("keys", "fields"):
            return f"run.output has the {self.kind} {', '.join(self.names)}"
        return f"run.output is a {self.kind}"


@dataclass(frozen=True)
class PipelineChoice:
    """One thing that the cases could run through."""

    target: str
    """`app.pipeline:Bot.answer`."""
    place: str
    import_root: str
    takes: tuple[str, ...]
    """The inputs that each case must give."""
    accepts: frozenset[str]
    """Names that a case may give; `**` where any will do."""
    body: tuple[str, ...]
    """Lines of the fixture. It imports the application: one that cannot be imported fails its cases only."""
    steps: tuple[str, ...] = ()
    output: OutputForm = OutputForm()
    left_to_do: str = ""
    """The part that the reader must fill in before the fixture works; empty where it works."""

    @property
    def label(self) -> str:
        """For file and test names."""
        name = re.sub(r"\.(?:__call__|forward)$", "", self.target.partition(":")[2]).replace(".", "_")
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")


_MOST_CHOICES = 20


def candidates(code: AppCode) -> list[PipelineChoice]:
    """Return the choices, the likeliest first.

    That is a function which case inputs fit, which no other work of the application calls, and below which
    most calls of a model lie.
    """
    reaching = [code.functions[target] for target in code.reaching]
    work = [each for each in reaching if each.arguments()[0] and not each.is_entry]
    called = {target for function in work for target in code.calls[function.target]}

    def rank(function: AppFunction) -> tuple[Any, ...]:
        target, name = function.target, function.node.name
        unlikely = (bool(_left_to_do(code, function)), function.is_entry, target in called)
        private = name.startswith("_") and name != "__call__"
        most = (-len(code.reaching[target]), -len(code.calls[target]))
        return (*unlikely, private, *most, not _LIKELY.search(name), target)

    made = [each for each in reaching if not each.node.name.startswith("__") or each.node.name == "__call__"]
    return [function_choice(code, function) for function in sorted(made, key=rank)[:_MOST_CHOICES]]


def function_choice(code: AppCode, function: AppFunction) -> PipelineChoice:
    """Return the choice of a function or method."""
    node, owner, module = function.node, function.owner, function.module
    needed, optional = function.arguments()
    needs = _needs(code, function)
    made = owner if function.is_shared else f"{owner}({', '.join(f'{name}=...' for name in needs)})"
    what = made if node.name in ("__call__", "forward") else f"{made}.{node.name}".strip(".")
    todo = _left_to_do(code, function)
    last = f"return {what}  # {todo}" if todo else f"return {what}"
    return PipelineChoice(
        function.target,
        f"{module.path}:{node.lineno}",
        module.import_root,
        tuple(each.arg for each in needed),
        frozenset(each.arg for each in (*needed, *optional)) | ({"**"} if node.args.kwarg else set()),
        (f"from {module.name} import {owner or node.name}", "", last),
        tuple(_steps(code, function)),
        output_of(code, function),
        todo,
    )


def _needs(code: AppCode, function: AppFunction) -> list[str]:
    """Return what the class of a method must be given to be made."""
    makers = code.named.get(function.owner, []) if not function.is_shared else []
    made = [each for each in makers if each.owner == function.owner and each.node.name == "__init__"]
    return [one.arg for each in made[:1] for one in each.arguments()[0]]


def _left_to_do(code: AppCode, function: AppFunction) -> str:
    needs, needed = _needs(code, function), function.arguments()[0]
    if needs:
        return f"give {function.owner} what it needs: {', '.join(needs)}"
    for each in needed:
        annotation = re.sub(r"(['\"]).*?\1", "", ast.unparse(each.annotation) if each.annotation else "")
        if not all(map(_JSON_TYPE.fullmatch, re.findall(r"[A-Za-z_]\w*", annotation))):
            return f"inputs of cases are JSON: return a function that makes {each.arg} ({annotation}) of them"
    return "" if needed else f"{function.node.name} takes nothing: return a function of a case's inputs"


def _steps(code: AppCode, pipeline: AppFunction) -> list[str]:
    """Return the setting `steps`: the modules and classes of what the pipeline calls on the way to a model.

    What is there only to ask (`llm.ask`) is no step of its own: the diagnosis would blame it for its callers.
    """
    way = (code.below(pipeline.target) & code.reaching.keys()) | {pipeline.target}
    steps = {pipeline.target}
    callers = Counter(target for each in way for target in code.calls[each])
    for target in way:
        client = _CLIENT.search(target.partition(":")[0].rpartition(".")[2])
        if target not in code.asking or (callers[target] < 2 and not client):
            steps.add(target)
    return sorted({re.sub(r"(:(?:\w+\.)?)\w+$", r"\1*", target) for target in steps})


def output_of(code: AppCode, function: AppFunction, depth: int = 3) -> OutputForm:
    """Return what a function gives back, by its annotation and its `return` statements."""
    node = function.node
    said = ast.unparse(node.returns).strip("'\"") if node.returns is not None else ""
    if said in ("str", "int", "float"):
        return OutputForm("text" if said == "str" else "number")
    if said in code.classes:
        owner = code.classes[said]
        fields = (dotted(each.target) for each in owner.body if isinstance(each, ast.AnnAssign))
        return OutputForm("keys" if "TypedDict" in map(dotted, owner.bases) else "fields", tuple(fields))
    returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value]
    forms = (_form_of(code, function, value, depth) for value in reversed(returned))
    known = next((form for form in forms if form.kind != "unknown"), None)
    return known or OutputForm("keys" if re.match(r"dict|Dict|Mapping", said) else "unknown")


def _form_of(code: AppCode, function: AppFunction, value: ast.expr, depth: int) -> OutputForm:
    value = value.value if isinstance(value, ast.Await) else value
    name = dotted(value)
    if isinstance(value, ast.Dict):
        named = [str(each.value) for each in value.keys if isinstance(each, ast.Constant)]
        return OutputForm("keys", (*named, *(["**"] if len(named) < len(value.keys) else [])))
    if isinstance(value, ast.JoinedStr) or re.search(r"\.(?:content|output_text|strip)$", name):
        return OutputForm("text")
    if isinstance(value, ast.Name) and depth:
        assigned = (each for each in ast.walk(function.node) if isinstance(each, ast.Assign))
        values = [each.value for each in assigned if dotted(each.targets[0]) == name]
        return _form_of(code, function, values[-1], depth - 1) if values else OutputForm()
    if isinstance(value, ast.Call) and (name.endswith("Prediction") or name in code.classes):
        return OutputForm("fields", tuple(each.arg for each in value.keywords if each.arg))
    if isinstance(value, ast.Call) and depth:
        called = code.named.get(name.rpartition(".")[2])
        return output_of(code, called[0], depth - 1) if called else OutputForm()
    return OutputForm()
