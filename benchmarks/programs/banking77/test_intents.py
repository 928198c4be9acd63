from __future__ import annotations

import dataset

import pytest_fapo as fapo


@fapo.cases(dataset.questions)
def test_intent(case, run):
    assert run.output["intent"] == case.expected["intent"]
