"""What is known about the project around a piece of rewritten code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_fapo.review.code.module import Module


@dataclass(frozen=True)
class Around:
    """The file of the function and the project of the file."""

    module: Module
    created: frozenset[str] = frozenset()
    """Functions that the candidate adds to the file."""
    imports: tuple[str, ...] = ()
    """Modules that the settings allow."""
    prompts: tuple[str, ...] = ()
    """Paths of the prompt files that code may read: those of the scope, and the candidate's new ones."""
    constants: frozenset[str] = frozenset()
    """Names of the prompts that are string constants."""
    case_files: frozenset[str] = frozenset()
    """Names of the files that hold the cases."""
    project: Callable[[str], Module | None] = field(default=lambda dotted: None)
    """The project's own module of a dotted name; None where it is none of its modules."""
    editable: Callable[[str], bool] = field(default=lambda path: False)
    """Whether a file of the project is in the scope."""

    def is_allowed(self, dotted: str) -> bool:
        """Whether the settings allow this module or one that holds it."""
        return any(dotted == name or dotted.startswith(f"{name}.") for name in self.imports)

    def is_prompt(self, literal: str, *, stem: bool = False) -> bool:
        """Whether `literal` ends the path of a prompt file; with `stem` it may lack the ending."""
        parts = literal.split("/")
        if not literal or "" in parts or any(part in (".", "..") for part in parts):
            return False
        paths = [path.split("/") for path in self.prompts]
        if stem:
            paths += [[*path[:-1], path[-1].partition(".")[0]] for path in paths]
        return any(path[-len(parts) :] == parts for path in paths)
