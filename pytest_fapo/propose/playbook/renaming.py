"""Names in a prompt that are wrong: tools that the prompt calls by a name that they do not have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches

from pytest_fapo.models import Candidate, Edit, Evidence
from pytest_fapo.propose.playbook.history import History
from pytest_fapo.propose.playbook.plans import target_artifacts
from pytest_fapo.propose.playbook.techniques.tooling import offered_tools, uses_of
from pytest_fapo.propose.playbook.view import View


def renaming(evidence: Evidence, history: History) -> Iterator[Candidate]:
    """Call the tools by their names, where a prompt names one that is not there and the model asks for it."""
    if evidence.cluster.category != "tool":
        return
    for artifact in target_artifacts(evidence):
        view = View(evidence, artifact)
        text = artifact.text
        names = _names(view)
        for wrong, right in names.items():
            text = re.sub(rf"(?<!\w){re.escape(wrong)}(?!\w)", right, text)
        if text == artifact.text or history.inert(artifact.address):
            continue
        told = ", ".join(f"{wrong} is {right}" for wrong, right in names.items())
        yield Candidate(
            parent=evidence.parent,
            edits=[Edit(address=artifact.address, before=artifact.text, after=text)],
            hypothesis=f"The prompt calls a tool by a name that it does not have: {told}.",
            proposer="playbook",
            technique="tool names corrected",
            level="prompt",
            cluster=evidence.cluster.id,
            step=evidence.cluster.step,
            targets=evidence.cluster.nodeids,
        )


def _names(view: View) -> dict[str, str]:
    """Wrong name to right one: the tool that passing cases use, else the one most like it."""
    offered = offered_tools(view)
    uses = [(use, seen.passed) for seen in view.seen for use in uses_of(seen)]
    wrong = {use.name for use, _ in uses if use.name not in offered and use.error is not None}
    useful = Counter(use.name for use, passed in uses if passed and use.error is None and use.name in offered)
    found = {}
    for name in sorted(wrong):
        near = get_close_matches(name, offered, n=1, cutoff=0.7)
        most = [tool for tool, _ in useful.most_common(1)]
        right = near or most or (offered if len(offered) == 1 else [])
        if right:
            found[name] = right[0]
    return found
