"""The operator that shows examples as turns: a file of them, and the function that puts them before the case.

Where the function asks by a helper, the helper gets a parameter that the function fills.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from pytest_fapo.core.candidate import Artifact, Edit
from pytest_fapo.core.demonstration_file import FOLDER, demonstration_path, write_examples
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.trace_view import TraceView, helper_names
from pytest_fapo.propose.operators.dspy_predictors import PredictorCall, predictor_calls
from pytest_fapo.propose.operators.function_splices import FunctionSplices
from pytest_fapo.propose.operators.message_lists import (
    Splice,
    TurnForm,
    module_values,
    named_messages,
    place_in,
)
from pytest_fapo.propose.operators.operator import Operator
from pytest_fapo.propose.operators.operator_target import OperatorTarget, find_target
from pytest_fapo.propose.operators.project_functions import (
    FunctionText,
    OperatorError,
    ProjectFunction,
    ProjectModule,
    ProjectSources,
)
from pytest_fapo.propose.playbook.example_choice import Example, ExampleChoice

TURNS = "demonstrations-as-turns"

_COMMENT = f"# {TURNS}: the examples of this file stand before the case, as turns that went well."

_ONE: dict[TurnForm, str] = {
    "dict": '{{"role": {role}, "content": {turn}[{role}]}}',
    "tuple": "({role}, {turn}[{role}])",
    "template": '({role}, {turn}[{role}].replace("{{", "{{{{").replace("}}", "}}}}"))',
}


class TurnDemonstrations(Operator):
    """Show train cases with their right answers as turns, before the case."""

    operator: Literal["demonstrations-as-turns"] = "demonstrations-as-turns"
    examples: int = Field(
        default=8, ge=1, le=64, description="How many train cases are shown; they are chosen for you."
    )

    purpose: ClassVar[str] = (
        "Wording moves the model little, as with small ones. Only where train cases may be quoted."
    )
    paper: ClassVar[str] = "Language Models are Few-Shot Learners, Brown et al. 2020, arXiv:2005.14165"

    def edits(self, evidence: Evidence) -> list[Edit]:
        """Return the function that reads the examples, and their file; the file alone where it is read
        already.
        """
        most = min(self.examples, evidence.max_demonstrations)
        return self.edits_with(ExampleChoice.of_turns(evidence).choose(most), evidence)

    def edits_with(self, chosen: Sequence[Example], evidence: Evidence) -> list[Edit]:
        """Return the same with these examples.

        Raises:
            OperatorError: they may not be shown, or there is no place for them.
        """
        if evidence.demonstrations != "train":
            raise OperatorError(
                'train cases may not be quoted here ([tool.fapo] demonstrations is not "train")'
            )
        if not chosen:
            raise OperatorError("no train case shows both what the step was asked and its right answer")
        target = find_target(evidence, self.function)
        known = _known_file(target, evidence)
        plan = _TurnPlan(evidence, target)
        functions = [] if known is not None else plan.function_edits()
        if known is not None:
            plan.find_predictor()
        path = known.address if known is not None else plan.path
        text = write_examples([plan.example(each) for each in chosen])
        return [*functions, Edit(address=path, before=known.text if known is not None else "", after=text)]


def _known_file(target: OperatorTarget, evidence: Evidence) -> Artifact | None:
    """Return the examples that the step is shown already."""
    name = demonstration_path("", evidence.cluster.step)
    files = [
        each for each in evidence.artifacts if each.kind == "file" and f"/{each.path}".endswith(f"/{name}")
    ]
    near = [each for each in files if each.path.startswith(target.artifact.path.rpartition("/")[0])]
    return next(iter([*near, *files]), None)


class _TurnPlan:
    """Place where the turns of one step go."""

    def __init__(self, evidence: Evidence, target: OperatorTarget) -> None:
        self._evidence = evidence
        self._target = target
        self._sources = ProjectSources.of(evidence)
        self._module = self._sources.module(target.artifact.path)
        self._predictor: PredictorCall | None = None
        self.path = self._path_beside(target)
        """The file of the examples."""

    def function_edits(self) -> list[Edit]:
        """Return the edits of functions, by the first way that fits.

        Raises:
            OperatorError: none fits.
        """
        ways = (self._own_list, self._named_messages, self._own_predictor, self._by_helper, self._elsewhere)
        for way in ways:
            edits = way()
            if edits:
                return edits
        raise OperatorError(
            f"no list of messages was found that {self._target.name} sends and that may be edited"
        )

    def find_predictor(self) -> None:
        """Read how the step asks DSPy, if it does."""
        module = self._module
        if module is not None:
            calls = predictor_calls(self._target.source.node, module, self._target.owner)
            self._predictor = next(calls, None)

    def example(self, example: Example) -> dict[str, str]:
        """Return an example as the file holds it.

        Raises:
            OperatorError: the inputs of the predictor are not on record.
        """
        if self._predictor is None:
            return example.turns
        values = {field: example.inputs.get(name) for field, name in self._predictor.inputs.items()}
        if not all(isinstance(value, str) for value in values.values()):
            raise OperatorError(f"the inputs of {self._target.name}'s predictor are no texts on record")
        return {
            **{name: str(value) for name, value in values.items()},
            self._predictor.output: example.answer,
        }

    # --- the ways -------------------------------------------------------------------------------------

    def _own_list(self) -> list[Edit]:
        return self._in_list_of(self._target)

    def _in_list_of(self, target: OperatorTarget) -> list[Edit]:
        place = place_in(target.source.node, target.source.text)
        if place is None:
            return []
        changes = FunctionSplices(target, self._evidence)
        self.path = self._path_beside(target)
        changes.splice(_filled(place.splice, self._read(changes, place.form)))
        return changes.edits()

    def _named_messages(self) -> list[Edit]:
        """Messages of the module, or a chain that begins with them: the function takes a copy with turns."""
        module = self._module
        if module is None:
            return []
        found = named_messages(module)
        values = dict(module_values(module))
        for node in self._outer_names(module):
            inside = _chained(values.get(node.id)) if node.id not in found else [node.id]
            names = [name for name in inside if name in found]
            if not names:
                continue
            changes = FunctionSplices(self._target, self._evidence)
            turns = self._read(changes, found[names[0]].form)
            code = ast.unparse(values[node.id]) if node.id not in found else node.id
            made = code.replace(names[0], found[names[0]].with_turns(turns), 1)
            copy = changes.draft.name(f"shown_{node.id.lower().strip('_')}")
            changes.line(f"{copy} = {made}")
            for each in self._outer_names(module):
                if each.id == node.id:
                    changes.replace(each, copy)
            return changes.edits()
        return []

    def _own_predictor(self) -> list[Edit]:
        self.find_predictor()
        if self._predictor is None:
            return []
        changes = FunctionSplices(self._target, self._evidence)
        changes.argument(self._predictor.call, f"demos={self._read(changes, None)}")
        return changes.edits()

    def _by_helper(self) -> list[Edit]:
        """Return a function that the step calls puts the messages together: it is given the turns."""
        module = self._module
        calls = [node for node in ast.walk(self._target.source.node) if isinstance(node, ast.Call)]
        for call in calls if module is not None else ():
            assert module is not None
            function = self._sources.resolve(call.func, module, self._target.owner)
            helper = self._editable(function) if function is not None else None
            place = place_in(helper.source.node, helper.source.text) if helper is not None else None
            if helper is None or place is None or helper.artifact.address == self._target.artifact.address:
                continue
            giver = FunctionSplices(self._target, self._evidence)
            taker = FunctionSplices(helper, self._evidence)
            name = taker.draft.name("turns", "demonstrations")
            taker.parameter(name)
            taker.splice(_filled(place.splice, name))
            giver.argument(call, f"{name}={self._read(giver, place.form)}")
            return [*giver.edits(), *taker.edits()]
        return []

    def _elsewhere(self) -> list[Edit]:
        """Return where one step alone asks a model: the only function that puts messages together."""
        traces = [case.trace for case in self._evidence.cases if case.trace is not None]
        helpers = helper_names(traces)
        if len({view.name for trace in traces for view in TraceView(trace, helpers).model_steps}) > 1:
            return []
        targets = [each for each in map(self._target_of, self._evidence.artifacts) if each is not None]
        having = [each for each in targets if place_in(each.source.node, each.source.text) is not None]
        return self._in_list_of(having[0]) if len(having) == 1 else []

    # --- helpers --------------------------------------------------------------------------------------

    def _path_beside(self, target: OperatorTarget) -> str:
        return demonstration_path(target.artifact.path, self._evidence.cluster.step)

    def _read(self, changes: FunctionSplices, form: TurnForm | None) -> str:
        """Put the lines that read the file into a function; gives the name of the turns.

        Args:
            changes: of the function.
            form: how a turn is written; None where each example is taken as it is.
        """
        draft = changes.draft
        draft.need("json")
        draft.need_from("pathlib", "Path")
        examples, turns = draft.name("examples", "shown_examples"), draft.name("turns", "shown_turns")
        file = self.path.rpartition("/")[2]
        read = f'(Path(__file__).parent / "{FOLDER}" / "{file}").read_text(encoding="utf-8")'
        every = f"map(json.loads, filter(str.strip, {examples}.splitlines()))"
        changes.line(_COMMENT, f"{examples} = {read}")
        if form is None:
            changes.line(f"{turns} = list({every})")
            return turns
        role, turn = draft.name("role", "speaker"), draft.name("turn", "example")
        changes.line(
            f"{turns} = [",
            f"    {_ONE[form].format(role=role, turn=turn)}",
            f"    for {turn} in {every}",
            f'    for {role} in ("user", "assistant")',
            "]",
        )
        return turns

    def _editable(self, function: ProjectFunction) -> OperatorTarget | None:
        wanted = (function.module.path, function.name)
        artifacts = [each for each in self._evidence.artifacts if (each.path, each.name) == wanted]
        return next(filter(None, map(self._target_of, artifacts)), None)

    def _target_of(self, artifact: Artifact) -> OperatorTarget | None:
        if artifact.kind != "function":
            return None
        try:
            return OperatorTarget(artifact, FunctionText(artifact.text, artifact.address), self._evidence)
        except OperatorError:
            return None

    def _outer_names(self, module: ProjectModule) -> list[ast.Name]:
        """Return names of the module that the function reads."""
        own = self._target.source.assigned() | {each.arg for each in self._target.parameters}
        return [
            node
            for statement in self._target.source.node.body
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and node.id in module.names - own
        ]


def _filled(splice: Splice, turns: str) -> Splice:
    return Splice(splice.start, splice.end, splice.text.replace("<<turns>>", turns))


def _chained(value: ast.expr | None) -> list[str]:
    """The names in a chain of LangChain, `prompt | model | parser`."""
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.BitOr):
        return []
    return [node.id for node in ast.walk(value) if isinstance(node, ast.Name)]
