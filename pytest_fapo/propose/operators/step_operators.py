"""The operators (run a step again, have it checked, search once more, show examples), read by name."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.propose.operators.call_sites import edits_at_call
from pytest_fapo.propose.operators.operator import BodyOperator, FunctionDraft, Operator, escaped
from pytest_fapo.propose.operators.operator_target import may_be_edited
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.operators.turn_demonstrations import TurnDemonstrations

FAILURES = "(ValueError, KeyError, TypeError, IndexError, AttributeError)"
"""The exceptions that parsing an answer raises; a provider's errors stay errors, which the SDKs retry."""


class RetryOnInvalid(BodyOperator):
    """Run a step again while what it gives is empty, does not parse, or is not one of the allowed values."""

    operator: Literal["retry-on-invalid"] = "retry-on-invalid"
    attempts: int = Field(default=3, ge=2, le=10, description="How often the step is run at most.")
    choices: list[str] = Field(
        default_factory=list,
        description="The allowed answers; empty where every answer that is not empty will do.",
    )
    json_fields: list[str] = Field(
        default_factory=list, description="Fields that the result must have, where it is a mapping."
    )
    failures: list[str] = Field(
        default_factory=list,
        description="Beginnings of a result that report a failure, such as `Error`, where it is a text.",
    )
    hint: str = Field(
        default="",
        description="One sentence added to the step's text from the second attempt on; may be empty.",
    )

    purpose: ClassVar[str] = "The step now and then gives nothing, or something that cannot be read."
    paper: ClassVar[str] = "Reflexion, Shinn et al. 2023, arXiv:2303.11366"

    def build(self, draft: FunctionDraft) -> list[Edit]:
        result, number = draft.name("result", "outcome"), "_"
        setup, again, last = "", draft.once(), draft.once()
        if self.hint:
            number = draft.name("attempt", "turn")
            text, hinted = draft.target.text(), draft.name("hinted")
            longer = f'f"{{{text}}}\\n\\n{_in_f_string(self.hint)}"'
            setup = f"{hinted} = {text} if {number} == 1 else {longer}"
            again, last = draft.once(**{text: hinted}), draft.once(**{text: longer})
        return draft.around(
            """
            # retry-on-invalid: what is empty or cannot be read is asked for again (after arXiv:2303.11366).
            for <<number>> in range(1, <<attempts>>):
                <<setup>>
                try:
                    <<result>> = <<again>>
                except <<failures>>:
                    continue
                if <<valid>>:
                    return <<result>>
            return <<last>>
            """,
            number=number,
            attempts=str(self.attempts),
            setup=setup,
            result=result,
            again=again,
            failures=FAILURES,
            valid=self._condition(draft, result),
            last=last,
        )

    def _condition(self, draft: FunctionDraft, result: str) -> str:
        form = draft.target.form
        if self.choices:
            if form not in ("text", "unknown"):
                raise OperatorError(f"{draft.target.name} gives no text that could be one of the choices")
            choices = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in self.choices)
            bare = f"{result}.strip()" if form == "text" else result
            return f"{bare} in [{choices}]"
        if self.json_fields and form == "mapping":
            fields = ", ".join(json.dumps(name, ensure_ascii=False) for name in self.json_fields)
            name = draft.name("name", "wanted")
            return f"all({result}.get({name}) is not None for {name} in [{fields}])"
        if form == "text" and self.failures:
            begins = ", ".join(json.dumps(each, ensure_ascii=False) for each in self.failures)
            return f"{result} and not {result}.startswith(({begins},))"
        return f"{result} and {result}.strip()" if form == "text" else result


def _in_f_string(text: str) -> str:
    """Return a text inside an f-string in double quotes."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace('"', "'")
    return plain.replace("{", "{{").replace("}", "}}")


_CHECK = """\
Check an answer before it is given.

{inputs}
answer:
{{answer}}

What must hold of the answer:
{checks}

If all of this holds, reply with the word OK and nothing else. Otherwise reply with the corrected answer \
and nothing else{form}.
"""


class VerifyAndRevise(BodyOperator):
    """Have the model check its answer against stated points, and correct it."""

    operator: Literal["verify-and-revise"] = "verify-and-revise"
    checks: list[str] = Field(
        default_factory=list,
        description="What must hold of the answer, one short sentence each; no content of single cases.",
    )
    rounds: int = Field(default=1, ge=1, le=3, description="How often the answer is checked at most.")

    purpose: ClassVar[str] = "The step often overlooks something that it would see when asked to check."
    paper: ClassVar[str] = "Self-Refine, Madaan et al. 2023, arXiv:2303.17651"

    def build(self, draft: FunctionDraft) -> list[Edit]:
        form = draft.target.form
        if form not in ("text", "mapping"):
            raise OperatorError(
                f"{draft.target.name} gives neither a text nor a mapping that could be checked"
            )
        answer = draft.name("answer", "result")
        inputs, values = draft.inputs()
        checks = self.checks or [
            "It answers exactly what is asked.",
            "It agrees with everything that is given above.",
            "It has the form that is asked for.",
        ]
        shown = draft.name("shown") if form == "mapping" else answer
        text = _CHECK.format(
            inputs=inputs,
            checks="\n".join(f"- {escaped(check)}" for check in checks),
            form="" if form == "text" else ", as one JSON object with the same fields",
        )
        question = draft.name("question", "check")
        parts = {
            "answer": answer,
            "once": draft.once(),
            "rounds": str(self.rounds),
            "question": question,
            "prompt": draft.prompt("check", text, {**values, "answer": shown}),
            "ask": draft.ask(question),
            "verdict": draft.name("verdict", "said"),
            "shown": shown,
        }
        if form == "text":
            return draft.around(_TEXT_CHECKED, **parts)
        draft.need("json")
        return draft.around(_MAPPING_CHECKED, revised=draft.name("revised"), **parts)


_TEXT_CHECKED = """
<<answer>> = <<once>>
# verify-and-revise: the model checks its answer and corrects it (Self-Refine, arXiv:2303.17651).
for _ in range(<<rounds>>):
    <<question>> = <<prompt>>
    <<verdict>> = <<ask>>.strip()
    if not <<verdict>> or <<verdict>>.strip(".\\"'").upper() == "OK":
        break
    <<answer>> = <<verdict>>
return <<answer>>
"""

_MAPPING_CHECKED = """
<<answer>> = <<once>>
# verify-and-revise: the model checks its answer and corrects it (Self-Refine, arXiv:2303.17651).
for _ in range(<<rounds>>):
    <<shown>> = json.dumps(<<answer>>, ensure_ascii=False, default=str)
    <<question>> = <<prompt>>
    <<verdict>> = <<ask>>.strip()
    try:
        <<revised>> = json.loads(<<verdict>>[<<verdict>>.find("{") : <<verdict>>.rfind("}") + 1])
    except ValueError:
        break  # the word OK, or nothing that could be read
    if not isinstance(<<revised>>, dict) or <<revised>>.keys() != <<answer>>.keys():
        break
    <<answer>> = <<revised>>
return <<answer>>
"""


_NEXT = """\
A question is answered in several searches.

{inputs}
Found so far:
{{found}}

What has to be looked up next, by name, so that the question can be answered?
Reply with one short search query alone, on one line and without quotation marks.
"""


class SecondHop(BodyOperator):
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
        query, so_far = draft.name("query", "next_query"), draft.name("so_far", "known")
        parts = {
            "found": found,
            "once": draft.once(),
            "hops": str(self.hops),
            "so_far": so_far,
            "shown": _shown(draft, found),
            "query": query,
            "again": draft.once(**{text: query}),
            "merged": merged,
        }
        if not self.by_model:
            return draft.around(_HOP_BY_TEXT, text=text, **parts)
        question = draft.name("asked", "next_question")
        prompt = _NEXT.format(inputs=f"{text.replace('_', ' ')}:\n{{{text}}}\n")
        filled = draft.prompt("next", prompt, {text: text, "found": so_far})
        return draft.around(_HOP, question=question, prompt=filled, ask=draft.ask(question), **parts)


_HOP = """
<<found>> = <<once>>
# second-hop: what was found tells what to look up next (IRCoT, arXiv:2212.10509).
for _ in range(<<hops>>):
    <<so_far>> = "\\n".join(<<shown>>)
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
    for <<so_far>> in <<shown>>:
        <<query>> = f"{<<text>>} {<<so_far>>}"
        <<found>> = <<merged>>(<<found>>, <<again>>)
return <<found>>
"""


def _searched(draft: FunctionDraft) -> str:
    """Return the parameter that holds the query."""
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


def _shown(draft: FunctionDraft, passages: str) -> str:
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
            return f"[{code} for {each} in {passages}]".replace("'", '"')
    return f"[str({each}) for {each} in {passages}]"


_ALL: tuple[type[Operator], ...] = (RetryOnInvalid, VerifyAndRevise, SecondHop, TurnDemonstrations)

OPERATORS: dict[str, type[Operator]] = {kind.model_fields["operator"].default: kind for kind in _ALL}
"""Name to operator."""

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "default", "title")


def operator_schema() -> dict[str, Any]:
    """JSON schema of one operator: a union over all of them, closed by `anyOf`.

    It keeps to what providers enforce: no references, no defaults, every field required, and bounds and
    purposes in words.
    """
    return {"anyOf": [_schema(kind) for kind in _ALL]}


def read_operator(value: Mapping[str, Any]) -> Operator:
    """Return the operator that a mapping describes, such as a model gave it.

    Raises:
        OperatorError: there is no such operator, or an argument does not fit; the message names it.
    """
    name = value.get("operator")
    kind = OPERATORS.get(str(name))
    if kind is None:
        raise OperatorError(f"there is no operator {name!r}; there are {', '.join(OPERATORS)}")
    try:
        return kind.model_validate(dict(value))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise OperatorError(f"{name}: {field}: {first['msg']}") from None


def apply_operator(operator: Operator | Mapping[str, Any], evidence: Evidence) -> list[Edit]:
    """Return the edits of an operator: the rewritten function first, then the prompt files that it takes.

    Args:
        operator: an operator, or its fields.
        evidence: gives the function, the failing step, the sources and the patterns of new prompt files.

    Raises:
        OperatorError: it does not fit; one sentence says why.
    """
    made = operator if isinstance(operator, Operator) else read_operator(operator)
    if isinstance(made, BodyOperator) and not made.function and not may_be_edited(evidence):
        return edits_at_call(made, evidence)
    return made.edits(evidence)


def _schema(kind: type[Operator]) -> dict[str, Any]:
    made = kind.model_json_schema()
    properties: dict[str, Any] = {}
    for name, given in made["properties"].items():
        entry = {key: value for key, value in given.items() if key not in _BOUNDS}
        if "minimum" in given and "maximum" in given:
            description = entry.get("description", "")
            entry["description"] = f"{description} From {given['minimum']} to {given['maximum']}.".strip()
        properties[name] = entry
    return {
        "type": "object",
        "description": f"{kind.purpose} ({kind.paper})",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
