"""The texts that reached a model on the terminal, and the scope to paste that lets them be edited."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pytest_fapo.core.text import count, one_line
from pytest_fapo.diagnosis.sent_texts import SentTexts
from pytest_fapo.views.terminal import Terminal

_WORDS = 60

_NOT_REACHED = "it has no address there: move it into a constant or a file to make it editable"

_NO_FILE = "are in no file of the project: they come from a library or are built at run time"

_PASTE = "To let the optimizer edit them, paste this into pyproject.toml; delete what must not change:"


def show_sent_texts(found: SentTexts, terminal: Terminal, *, sentence: str = _PASTE) -> None:
    """Write per step what it sends, and the table that names what can be edited.

    Args:
        found: the texts.
        terminal: where to write.
        sentence: what stands above the table.
    """
    terminal.line("")
    terminal.line(("Texts that reached a model:", "bold"))
    for step in found.steps:
        terminal.line("")
        terminal.line((step.step, "bold"))
        for text in step.texts:
            terminal.line("  ", text.address, (f"  {count(len(text.text), 'character')}", "dim"), indent=4)
            terminal.line((f"      {one_line(text.text, most=_WORDS)}", "dim"), indent=6)
        for part in [each for each in step.left_over if each.line]:
            terminal.line("  ", part.line, (f"  “{one_line(part.text, most=_WORDS)}”", "dim"), indent=4)
            terminal.line((f"      {_NOT_REACHED}", "yellow"), indent=6)
        foreign = [part.text for part in step.left_over if not part.line]
        if foreign:
            size = count(sum(map(len, foreign)), "character")
            quoted = f"“{one_line(max(foreign, key=len), most=_WORDS)}”"
            terminal.line((f"  and {size} that {_NO_FILE}: {quoted}", "dim"), indent=4)
        if not step.texts and not step.left_over:
            terminal.line(("  nothing that is the same in all cases", "dim"), indent=4)
    if found.entries:
        terminal.line("")
        terminal.line(sentence)
        terminal.line("")
        for line in scope_table(found.entries).splitlines():
            terminal.verbatim(line)


def scope_table(entries: Sequence[str]) -> str:
    """Return `[tool.fapo.scope]` with these prompts, as TOML."""
    listed = "".join(f"    {json.dumps(entry, ensure_ascii=False)},\n" for entry in entries)
    return f"""\
[tool.fapo.scope]
# What `pytest --fapo-optimize` may edit. Nothing else is ever changed.
prompts = [
{listed}]
"""
