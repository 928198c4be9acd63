"""Operators for steps that look something up: other words, a further hop."""

from __future__ import annotations

import ast
from typing import ClassVar, Literal

from pydantic import Field

from pytest_fapo.models import Edit
from pytest_fapo.propose.operators.draft import Draft
from pytest_fapo.propose.operators.errors import OperatorError
from pytest_fapo.propose.operators.operator import Operator
from pytest_fapo.propose.operators.placing import escaped

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

    def build(self, draft: Draft) -> list[Edit]:
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

    def build(self, draft: Draft) -> list[Edit]:
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


def _searched(draft: Draft) -> str:
    """The parameter that holds the query."""
    if draft.target.form not in ("list", "unknown"):
        raise OperatorError(f"{draft.target.name} gives no list of what it found")
    for name in ("query", "question", "search", "search_query"):
        if name in draft.target.texts:
            return name
    return draft.target.text()


def _merged(draft: Draft) -> str:
    """Name of a function, put into the code, that joins two lists without what is in both."""
    name = draft.name("merged", "joined")
    returns = draft.source.node.returns
    form = _annotation(draft)
    head = (
        f"def {name}(first: {form}, second: {form}) -> {form}:" if returns else f"def {name}(first, second):"
    )
    draft.helper([head, "    return first + [each for each in second if each not in first]"])
    return name


def _annotation(draft: Draft) -> str:
    returns = draft.source.node.returns
    return ast.unparse(returns) if returns is not None else ""


def _shown(draft: Draft, found: str) -> str:
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
