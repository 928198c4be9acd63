"""When two candidates are one: the same change, however it is spelled."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from functools import lru_cache

from pytest_fapo.models import Candidate, Edit, text_digest


def fingerprint(candidate: Candidate) -> str:
    """Equal for candidates whose edits differ in white space, code layout, comments or JSON spelling only."""
    return fingerprint_of(candidate.edits)


def fingerprint_of(edits: Sequence[Edit]) -> str:
    """The same of edits."""
    parts = sorted(
        (edit.address, _core(edit.address, edit.before), _core(edit.address, edit.after)) for edit in edits
    )
    return text_digest(json.dumps(parts))


@lru_cache(maxsize=1024)  # every new candidate is compared with all earlier ones
def _core(address: str, text: str) -> str:
    path, _, name = address.partition("::")
    if name and path.endswith(".py"):
        code = _code(text)
        if code is not None:
            return code
    if name:
        try:
            return json.dumps(json.loads(text))  # in its own order: models answer in that of a schema
        except ValueError:
            pass
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


def _code(text: str) -> str | None:
    """The syntax tree of a function's source; None for a constant's plain text."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return ast.dump(tree) if defined else None
