"""Operators that run a step more than once: retry, vote, fallback."""

from __future__ import annotations

import ast
import json
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from pytest_fapo.core.candidate import Edit
from pytest_fapo.propose.operators.operator import FunctionDraft, Operator
from pytest_fapo.propose.operators.project_functions import OperatorError, ProjectSources

FAILURES = "(ValueError, KeyError, TypeError, IndexError, AttributeError)"
"""The exceptions that parsing an answer raises; a provider's errors stay errors, which the SDKs retry."""


class RetryOnInvalid(Operator):
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


class SelfConsistency(Operator):
    """Take several answers of a step and give the most frequent one."""

    operator: Literal["self-consistency"] = "self-consistency"
    samples: int = Field(default=5, ge=3, le=15, description="How many answers are taken; odd.")

    purpose: ClassVar[str] = "The step's answer varies, or is right more often than not; temperature above 0."
    paper: ClassVar[str] = "Self-Consistency, Wang et al. 2022, arXiv:2203.11171"

    def build(self, draft: FunctionDraft) -> list[Edit]:
        votes, vote, keys = draft.name("votes", "samples"), draft.name("vote"), draft.name("keys")
        named = {
            "text": "{}.strip().casefold()",
            "mapping": "json.dumps({}, sort_keys=True, default=str)",
            "list": "json.dumps({}, sort_keys=True, default=str)",
        }.get(draft.target.form, "repr({})")
        if "json." in named:
            draft.need("json")
        return draft.around(
            """
            # self-consistency: several answers are taken, the most frequent one counts (arXiv:2203.11171).
            <<votes>> = [<<once>> for _ in range(<<samples>>)]
            <<keys>> = [<<named>> for <<vote>> in <<votes>>]
            return <<votes>>[<<keys>>.index(max(<<keys>>, key=<<keys>>.count))]
            """,
            votes=votes,
            once=draft.once(),
            samples=str(self.samples | 1),
            named=named.format(vote),
            vote=vote,
            keys=keys,
        )


class FallbackChain(Operator):
    """Try other arguments, other functions or a fixed value if a step fails or returns nothing."""

    operator: Literal["fallback-chain"] = "fallback-chain"
    relaxed: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Arguments of the step for its second run, by parameter, such as a filter set to null.",
    )
    functions: list[str] = Field(
        default_factory=list,
        description="Functions of the same module with the same parameters, asked one after another.",
    )
    otherwise: JsonValue = Field(default=None, description="Given where all of them fail; null for none.")

    purpose: ClassVar[str] = "The step fails or comes back empty for some inputs, and there is a second way."
    paper: ClassVar[str] = "FrugalGPT's cascade, Chen et al. 2023, arXiv:2305.05176"

    def build(self, draft: FunctionDraft) -> list[Edit]:
        tries = [draft.once()]
        if self.relaxed:
            known = {parameter.arg for parameter in draft.target.parameters}
            if unknown := sorted(set(self.relaxed) - known):
                raise OperatorError(f"{draft.target.name} has no parameter {unknown[0]!r}")
            tries.append(draft.once(**{name: repr(value) for name, value in self.relaxed.items()}))
        tries += [_other(draft, name) for name in self.functions]
        if len(tries) == 1 and self.otherwise is None:
            tries.append(draft.once())  # a second try of the same, for what fails now and then
        result = draft.name("result", "outcome")
        lines = [
            "# fallback-chain: where this fails or gives nothing, the next way is taken (arXiv:2305.05176)."
        ]
        last = None if self.otherwise is not None else tries.pop()
        for code in tries:
            lines += [
                "try:",
                f"    {result} = {code}",
                f"    if {result}:",
                f"        return {result}",
                "except Exception:  # whatever it is, there is another way",
                "    pass",
            ]
        lines.append(f"return {last}" if last is not None else f"return {self.otherwise!r}")
        return draft.around("\n".join(lines))


def _other(draft: FunctionDraft, name: str) -> str:
    """A call of another function with the same arguments."""
    module = ProjectSources.of(draft.target.evidence).module(draft.target.artifact.path)
    bare = name.rpartition("::")[2]
    node = module.functions.get(bare) if module is not None else None
    if node is None or "." in bare:
        raise OperatorError(f"there is no function {bare!r} beside {draft.target.name}")
    awaited = isinstance(node, ast.AsyncFunctionDef)
    if awaited and not draft.target.is_async:
        raise OperatorError(f"{bare} is async and {draft.target.name} is not")
    names = [each.arg for each in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
    given = [each.arg for each in draft.target.parameters if each.arg in names]
    required = names[: len(names) - len(node.args.defaults)] if node.args.defaults else names
    if missing := [each for each in required if each not in given]:
        raise OperatorError(f"{bare} needs {missing[0]!r}, which {draft.target.name} is not given")
    return f"{'await ' if awaited else ''}{bare}({', '.join(f'{each}={each}' for each in given)})"


def _in_f_string(text: str) -> str:
    """A text inside an f-string in double quotes."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace('"', "'")
    return plain.replace("{", "{{").replace("}", "}}")
