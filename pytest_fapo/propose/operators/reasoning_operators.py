"""Operators that send the model a further question: verify the answer, plan first, take the task apart."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pytest_fapo.core.candidate import Edit
from pytest_fapo.propose.operators.operator import FunctionDraft, Operator
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.operators.prompt_placement import escaped

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

_PLAN = """\
Work out how to solve a task before it is solved.

{inputs}
Devise a plan for this in at most {steps} short steps, one on a line. {advice}Do not give the answer itself.
"""

_PARTS = """\
Take a problem apart.

{inputs}
Which simpler questions have to be answered first, so that the problem follows from their answers?
List at most {parts}, one on a line, the simplest first, and nothing else.
"""


class VerifyAndRevise(Operator):
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


class PlanThenSolve(Operator):
    """Have the model make a plan first; the step then works with the plan."""

    operator: Literal["plan-then-solve"] = "plan-then-solve"
    steps: int = Field(default=4, ge=2, le=10, description="Steps that the plan may have.")
    advice: str = Field(default="", description="One sentence on what the plan has to heed; may be empty.")

    purpose: ClassVar[str] = "The step skips parts of a task with several parts."
    paper: ClassVar[str] = "Plan-and-Solve, Wang et al. 2023, arXiv:2305.04091"

    def build(self, draft: FunctionDraft) -> list[Edit]:
        text = draft.target.text()
        inputs, values = draft.inputs()
        advice = f"{escaped(self.advice.strip())} " if self.advice.strip() else ""
        prompt = _PLAN.format(inputs=inputs, steps=self.steps, advice=advice)
        question, plan = draft.name("question", "planning"), draft.name("plan")
        return draft.around(
            """
            # plan-then-solve: the model plans first and then works with its plan (arXiv:2305.04091).
            <<question>> = <<prompt>>
            <<plan>> = <<ask>>.strip()
            return <<once>>
            """,
            question=question,
            prompt=draft.prompt("plan", prompt, values),
            plan=plan,
            ask=draft.ask(question),
            once=draft.once(**{text: f'f"{{{text}}}\\n\\nPlan:\\n{{{plan}}}" if {plan} else {text}'}),
        )


class LeastToMost(Operator):
    """Have the model take the problem apart, answer the parts in turn, then the whole."""

    operator: Literal["least-to-most"] = "least-to-most"
    parts: int = Field(
        default=3, ge=2, le=6, description="Simpler questions that are answered first, at most."
    )

    purpose: ClassVar[str] = "The problem needs several findings, each of which rests on the one before."
    paper: ClassVar[str] = "Least-to-Most Prompting, Zhou et al. 2022, arXiv:2205.10625"

    def build(self, draft: FunctionDraft) -> list[Edit]:
        if draft.target.form not in ("text", "unknown"):
            raise OperatorError(
                f"{draft.target.name} gives no text, so it cannot answer the parts of a problem"
            )
        text = draft.target.text()
        inputs, values = draft.inputs()
        question, parts = draft.name("question", "taking_apart"), draft.name("parts")
        part, known = draft.name("part"), draft.name("known")
        return draft.around(
            """
            # least-to-most: simpler questions first, each with the answers before it (arXiv:2205.10625).
            <<question>> = <<prompt>>
            <<parts>> = [<<part>>.strip() for <<part>> in <<ask>>.splitlines() if <<part>>.strip()]
            <<known>> = ""
            for <<part>> in <<parts>>[:<<most>>]:
                <<known>> += f"\\n\\n{<<part>>}\\n{<<step>>}"
            return <<once>>
            """,
            question=question,
            prompt=draft.prompt("parts", _PARTS.format(inputs=inputs, parts=self.parts), values),
            parts=parts,
            part=part,
            known=known,
            ask=draft.ask(question),
            most=str(self.parts),
            step=draft.once(**{text: f"{part} + {known}"}),
            once=draft.once(**{text: f"{text} + {known}"}),
        )
