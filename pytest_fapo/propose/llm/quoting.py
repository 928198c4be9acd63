"""Which train cases the new texts quote as examples."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_fapo.models import Edit, Evidence
from pytest_fapo.reading.values import strings_in

_SHORTEST = 4


def quoted_cases(edits: Sequence[Edit], evidence: Evidence) -> list[str]:
    """Ids of the train cases whose input stands, word for word, in what the edits add."""
    added = _plain("\n".join(_added(edit) for edit in edits))
    found = []
    for item in evidence.cases:
        text = _plain(max(strings_in(item.case.inputs), key=len, default=""))
        if item.case.split == "train" and len(text) >= _SHORTEST and _holds(added, text):
            found.append(item.case.id)
    return list(dict.fromkeys(found))


def _added(edit: Edit) -> str:
    before = set(edit.before.splitlines())
    return "\n".join(line for line in edit.after.splitlines() if line not in before)


def _holds(text: str, part: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text) is not None


def _plain(text: str) -> str:
    return " ".join(text.replace('\\"', '"').replace("\\n", " ").casefold().split())
