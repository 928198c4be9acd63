from __future__ import annotations

import re

import dataset

import pytest_fapo as fapo


@fapo.cases(dataset.cves)
def test_cwe(case, run):
    named = re.findall(r"CWE-\d+", run.output["cwe"])
    run.score("right CWE, whatever the form", float(named[-1:] == [case.expected["cwe"]]))
    assert run.output["cwe"] == case.expected["cwe"]
