"""The prompts sent to a proposing model; see `pytest_fapo.llm.prompt_files`."""

from __future__ import annotations

from pathlib import Path

from pytest_fapo.llm.prompt_files import Marks, Templates, load_prompts

__all__ = ["Templates", "load_templates"]

_PACKAGED = Path(__file__).parent.parent / "prompts"
_NONE: frozenset[str] = frozenset()
_FILES = {
    "system": Marks(None),
    "propose": Marks(
        frozenset({"cluster", "artifacts", "cases", "memory", "task", "max_chars"}),
        frozenset({"artifacts", "cases", "task"}),
    ),
    "revise": Marks(frozenset({"proposal", "problems"}), frozenset({"problems"})),
    "repair": Marks(frozenset({"proposal", "broken"}), frozenset({"broken"})),
    "repeat": Marks(frozenset({"problem"}), frozenset({"problem"})),
    "params": Marks(_NONE),
    "structure": Marks(_NONE),
    "together": Marks(frozenset({"steps"})),
    "examples_made": Marks(frozenset({"most"})),
    "examples_train": Marks(frozenset({"most"})),
}


def load_templates(folder: Path | None = None) -> Templates:
    """The packaged prompts, those in `folder` first.

    Raises:
        ConfigError: `folder` is missing, holds an unknown `.md` file, or a file lacks or misspells a mark.
    """
    return load_prompts(_PACKAGED, _FILES, folder)
