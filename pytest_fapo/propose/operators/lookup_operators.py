"""Operators for steps that look something up: rewrite the query, add a hop, let the model call tools."""

from __future__ import annotations

import ast
from typing import ClassVar, Literal

from pydantic import Field

from pytest_fapo.core.candidate import Edit
from pytest_fapo.propose.operators.operator import FunctionDraft, Operator
from pytest_fapo.propose.operators.project_functions import FunctionNode, OperatorError, ProjectSources
from pytest_fapo.propose.operators.prompt_placement import escaped

_REWRITE = """\
Rewrite what is looked for as a search query.

{inputs}
Use the words that the documents themselves would use{style}.
Reply with the query alone, on one line and without quotation marks.
"""

_NEXT = """\
A question is answered in several searches.

{inputs}
Found so far:
{{found}}

What has to be looked up next, by name, so that the question can be answered?
Reply with one short search query alone, on one line and without quotation marks.
"""


class QueryRewriting(Operator):
    """Have the model put the query into the documents' words before the search."""

    operator: Literal["query-rewriting"] = "query-rewriting"
    keep_original: bool = Field(
        default=True, description="Search with the original query too and put both results together."
    )
    style: str = Field(
        default="", description="What the documents are, such as `a museum's catalogue`; may be empty."
    )

    purpose: ClassVar[str] = "Questions use other words than the documents that answer them."
    paper: ClassVar[str] = "Query Rewriting for RAG, Ma et al. 2023, arXiv:2305.14283"

    def build(self, draft: FunctionDraft) -> list[Edit]:
        text = _searched(draft)
        style = f", as in {escaped(self.style.strip())}" if self.style.strip() else ""
        prompt = _REWRITE.format(inputs=f"{text.replace('_', ' ')}:\n{{{text}}}\n", style=style)
        question, query = draft.name("asked", "rewriting"), draft.name("query", "rewritten")
        parts = {
            "question": question,
            "prompt": draft.prompt("query", prompt, {text: text}),
            "ask": draft.ask(question),
            "query": query,
            "text": text,
            "once": draft.once(),
            "again": draft.once(**{text: query}),
        }
        if not self.keep_original:
            return draft.around(_REWRITTEN, **parts)
        return draft.around(_BOTH, merged=_merged(draft), **parts)


_REWRITTEN = """
# query-rewriting: the search is made in the documents' words (arXiv:2305.14283).
<<question>> = <<prompt>>
<<query>> = <<ask>>.strip() or <<text>>
return <<again>>
"""

_BOTH = """
# query-rewriting: a second search is made in the documents' words (arXiv:2305.14283).
<<question>> = <<prompt>>
<<query>> = <<ask>>.strip() or <<text>>
return <<merged>>(<<again>>, <<once>>)
"""


class SecondHop(Operator):
    """Search again with what the first search brought, and put the results together."""

    operator: Literal["second-hop"] = "second-hop"
    hops: int = Field(default=1, ge=1, le=3, description="Further searches.")
    by_model: bool = Field(
        default=True,
        description="Whether the model says what to look up next; else the found texts are the next query.",
    )

    purpose: ClassVar[str] = (
        "What answers the question is named only in a document that has to be found first."
    )
    paper: ClassVar[str] = "IRCoT, Trivedi et al. 2022, arXiv:2212.10509"

    def build(self, draft: FunctionDraft) -> list[Edit]:
        text = _searched(draft)
        merged, found = _merged(draft), draft.name("found", "passages")
        query, told = draft.name("query", "next_query"), draft.name("told", "so_far")
        parts = {
            "found": found,
            "once": draft.once(),
            "hops": str(self.hops),
            "told": told,
            "shown": _shown(draft, found),
            "query": query,
            "again": draft.once(**{text: query}),
            "merged": merged,
        }
        if not self.by_model:
            return draft.around(_HOP_BY_TEXT, text=text, **parts)
        question = draft.name("asked", "next_question")
        prompt = _NEXT.format(inputs=f"{text.replace('_', ' ')}:\n{{{text}}}\n")
        filled = draft.prompt("next", prompt, {text: text, "found": told})
        return draft.around(_HOP, question=question, prompt=filled, ask=draft.ask(question), **parts)


_HOP = """
<<found>> = <<once>>
# second-hop: what was found tells what to look up next (IRCoT, arXiv:2212.10509).
for _ in range(<<hops>>):
    <<told>> = "\\n".join(<<shown>>)
    <<question>> = <<prompt>>
    <<query>> = <<ask>>.strip()
    if not <<query>>:
        break
    <<found>> = <<merged>>(<<found>>, <<again>>)
return <<found>>
"""

_HOP_BY_TEXT = """
<<found>> = <<once>>
# second-hop: what was found is looked for in turn (IRCoT, arXiv:2212.10509).
for _ in range(<<hops>>):
    for <<told>> in <<shown>>:
        <<query>> = f"{<<text>>} {<<told>>}"
        <<found>> = <<merged>>(<<found>>, <<again>>)
return <<found>>
"""


def _searched(draft: FunctionDraft) -> str:
    """The parameter that holds the query."""
    if draft.target.form not in ("list", "unknown"):
        raise OperatorError(f"{draft.target.name} gives no list of what it found")
    for name in ("query", "question", "search", "search_query"):
        if name in draft.target.texts:
            return name
    return draft.target.text()


def _merged(draft: FunctionDraft) -> str:
    """Name of a function, put into the code, that joins two lists without what is in both."""
    name = draft.name("merged", "joined")
    returns = draft.source.node.returns
    form = _annotation(draft)
    head = (
        f"def {name}(first: {form}, second: {form}) -> {form}:" if returns else f"def {name}(first, second):"
    )
    draft.helper([head, "    return first + [each for each in second if each not in first]"])
    return name


def _annotation(draft: FunctionDraft) -> str:
    returns = draft.source.node.returns
    return ast.unparse(returns) if returns is not None else ""


def _shown(draft: FunctionDraft, found: str) -> str:
    """The texts of what was found."""
    each = draft.name("each", "passage")
    samples = [
        member for view in draft.target.views if isinstance(view.output, list) for member in view.output
    ]
    if samples and all(isinstance(member, dict) for member in samples):
        keys = [key for key in samples[0] if all(isinstance(member.get(key), str) for member in samples)]
        longest = sorted(keys, key=lambda key: -sum(len(member[key]) for member in samples))
        if longest:
            titled = [key for key in keys if key in ("title", "name") and key != longest[0]]
            shown = [f"{each}[{key!r}]" for key in [*titled[:1], longest[0]]]
            code = shown[0] if len(shown) == 1 else f'{shown[0]} + ": " + {shown[1]}'
            return f"[{code} for {each} in {found}]".replace("'", '"')
    return f"[str({each}) for {each} in {found}]"


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

    def build(self, draft: FunctionDraft) -> list[Edit]:
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


def _tool(draft: FunctionDraft, name: str) -> tuple[str, FunctionNode]:
    """A function that takes one text."""
    bare = name.rpartition("::")[2]
    sources = ProjectSources.of(draft.target.evidence)
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
