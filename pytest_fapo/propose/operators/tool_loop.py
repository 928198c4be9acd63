"""The tool loop: the model thinks, calls functions of the project, reads what they give, and answers."""

from __future__ import annotations

import ast
from typing import ClassVar, Literal

from pydantic import Field

from pytest_fapo.models import Edit
from pytest_fapo.propose.operators.draft import Draft
from pytest_fapo.propose.operators.errors import OperatorError
from pytest_fapo.propose.operators.layout import FunctionNode
from pytest_fapo.propose.operators.operator import Operator
from pytest_fapo.propose.operators.placing import escaped
from pytest_fapo.propose.operators.sources import Sources

_ACT = """\
Answer with the help of tools.

{inputs}
The tools:
{tools}

What was done so far:
{{steps}}

Reply with one line and nothing else: either `Call: <tool>: <argument>` to use a tool,
or `Answer: <answer>` once you know it.
"""


class ToolLoop(Operator):
    """Let the model call functions of the module until it can answer."""

    operator: Literal["tool-loop"] = "tool-loop"
    tools: list[str] = Field(
        description="Functions of the same module that take one text, which the model may call."
    )
    turns: int = Field(default=5, ge=2, le=12, description="Requests to the model, at most.")

    purpose: ClassVar[str] = "The step must look up or compute things that it is not given."
    paper: ClassVar[str] = "ReAct, Yao et al. 2022, arXiv:2210.03629"

    def build(self, draft: Draft) -> list[Edit]:
        if draft.target.form not in ("text", "unknown"):
            raise OperatorError(f"{draft.target.name} gives no text, which a tool loop ends in")
        tools = [_tool(draft, name) for name in self.tools]
        if not tools:
            raise OperatorError("a tool loop needs at least one tool")
        listing = "\n".join(f"- {name}: {escaped(_described(node))}" for name, node in tools)
        inputs, values = draft.inputs()
        question, steps = draft.name("question", "asked"), draft.name("steps", "done")
        reply, kind = draft.name("reply", "said"), draft.name("kind", "verb")
        result, known, error = (
            draft.name("result", "given"),
            draft.name("tools", "known"),
            draft.name("error"),
        )
        tool, argument, rest = draft.name("tool"), draft.name("argument"), draft.name("rest")
        waits = any(isinstance(node, ast.AsyncFunctionDef) for _, node in tools)
        if waits and not draft.target.is_async:
            raise OperatorError(f"a tool is async and {draft.target.name} is not")
        call = f"{known}[{tool}]({argument}.strip())"
        pairs = ", ".join(f'"{name}": {_called(name, node, waits)}' for name, node in tools)
        return draft.around(
            _LOOP,
            known=known,
            pairs=pairs,
            steps=steps,
            turns=str(self.turns),
            question=question,
            prompt=draft.prompt("act", _ACT.format(inputs=inputs, tools=listing), {**values, "steps": steps}),
            reply=reply,
            ask=draft.ask(question),
            kind=kind,
            rest=rest,
            tool=tool,
            argument=argument,
            result=result,
            call=f"await {call}" if waits else call,
            error=error,
            once=draft.once(),
        )


_LOOP = """
# tool-loop: the model calls tools and reads what they give until it can answer (ReAct, arXiv:2210.03629).
<<known>> = {<<pairs>>}
<<steps>> = "(nothing)"
for _ in range(<<turns>>):
    <<question>> = <<prompt>>
    <<reply>> = <<ask>>.strip()
    <<kind>>, _, <<rest>> = <<reply>>.partition(":")
    if <<kind>>.strip().lower() == "answer":
        return <<rest>>.strip()
    <<tool>>, _, <<argument>> = <<rest>>.partition(":")
    <<tool>> = <<tool>>.strip()
    try:
        <<result>> = <<call>> if <<tool>> in <<known>> else f"there is no tool {<<tool>>!r}"
    except Exception as <<error>>:  # the model may try something else
        <<result>> = f"failed: {<<error>>}"
    <<steps>> = f"{<<steps>>}\\n{<<reply>>}\\n{<<result>>}".removeprefix("(nothing)\\n")
return <<once>>
"""


def _tool(draft: Draft, name: str) -> tuple[str, FunctionNode]:
    """A function that takes one text."""
    bare = name.rpartition("::")[2]
    sources = Sources.of(draft.target.evidence)
    module = sources.module(draft.target.artifact.path)
    found = sources.resolve(ast.Name(id=bare, ctx=ast.Load()), module) if module is not None else None
    if found is None or "." in bare:
        raise OperatorError(f"there is no function {bare!r} beside {draft.target.name}")
    if bare == draft.target.name:
        raise OperatorError(f"{bare} cannot be a tool of its own")
    arguments = found.node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    if len(plain) - len(arguments.defaults) > 1 or not plain:
        raise OperatorError(f"{bare} does not take one text")
    return bare, found.node


def _described(node: FunctionNode) -> str:
    first = node.args.posonlyargs[0] if node.args.posonlyargs else node.args.args[0]
    told = (ast.get_docstring(node) or f"takes {first.arg}").split("\n\n")[0]
    return f"{' '.join(told.split())} Argument: {first.arg}."


def _called(name: str, node: FunctionNode, waits: bool) -> str:
    """The tool as the loop's table has it: all of them are awaited where one is."""
    if not waits or isinstance(node, ast.AsyncFunctionDef):
        return name
    raise OperatorError(f"{name} is not async, but another tool is")
