"""The techniques of the playbook, in the order in which they are asked where they promise equally much."""

from __future__ import annotations

from pytest_fapo.propose.playbook.advice import Technique
from pytest_fapo.propose.playbook.techniques.answering import answer_always, brief, grounded
from pytest_fapo.propose.playbook.techniques.choosing import choosing
from pytest_fapo.propose.playbook.techniques.database import tables
from pytest_fapo.propose.playbook.techniques.definitions import definitions
from pytest_fapo.propose.playbook.techniques.json_contract import json_contract
from pytest_fapo.propose.playbook.techniques.label_set import label_set
from pytest_fapo.propose.playbook.techniques.line_form import one_per_line
from pytest_fapo.propose.playbook.techniques.must_include import must_include
from pytest_fapo.propose.playbook.techniques.must_not import must_not
from pytest_fapo.propose.playbook.techniques.text_form import text_form
from pytest_fapo.propose.playbook.techniques.tooling import tool_arguments, tool_names, use_tools
from pytest_fapo.propose.playbook.techniques.value_form import value_form

TECHNIQUES: tuple[Technique, ...] = (
    tool_arguments,
    tool_names,
    use_tools,
    one_per_line,
    tables,
    label_set,
    json_contract,
    value_form,
    must_include,
    must_not,
    text_form,
    choosing,
    definitions,
    brief,
    answer_always,
    grounded,
)

__all__ = ["TECHNIQUES"]
