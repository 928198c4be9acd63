"""Write text to the terminal: width, color, folding, and a stream that never fails.

Cases, hypotheses and diffs are written as they are, never read as rich's markup.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, TextIO

from pytest_fapo.core.printable import Part, encodable, shown

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text


class LastingFile:
    """A text file that never fails: it spells out what it cannot encode, and a broken pipe makes it mute."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.broken = False

    @property
    def encoding(self) -> str:
        return getattr(self._file, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        try:
            return self._file.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        return self._file.fileno()

    def write(self, text: str) -> int:
        if not self.broken:
            try:
                self._file.write(encodable(text, self.encoding))
            except (OSError, ValueError):
                self.broken = True
        return len(text)

    def flush(self) -> None:
        if not self.broken:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self.broken = True


class Terminal:
    """The terminal or stream that a report is written to.

    Args:
        file: the stream; its `encoding` decides which symbols are used.
        tty: whether lines may be rewritten in place and are folded to the width.
        color: whether ANSI colors may be written (pytest's `--color`; `NO_COLOR` is honored here too).
        width: columns; asked of the terminal where not given, 100 where there is none.
    """

    def __init__(
        self, file: TextIO, *, tty: bool = False, color: bool = False, width: int | None = None
    ) -> None:
        self.file = LastingFile(file)
        dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
        self.tty = tty and not dumb
        self.color = color and not dumb and not os.environ.get("NO_COLOR")
        self._width = width
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """rich's console, made on first use, at the terminal's present width."""
        if self._console is None:
            self._console = self._make_console()
        self._console.size = self._size()
        return self._console

    def _make_console(self) -> Console:
        from rich.console import Console

        return Console(
            file=self.file,  # type: ignore[arg-type]  # all that rich uses of a file is there
            force_terminal=self.tty or self.color,
            force_interactive=self.tty,
            color_system="auto" if self.color else None,
            no_color=not self.color,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
        )

    def _size(self) -> tuple[int, int]:
        if self._width is not None:
            return max(20, self._width), 25
        try:
            columns, lines = os.get_terminal_size(self.file.fileno())
        except (OSError, ValueError, AttributeError):
            columns, lines = 0, 0
        if not columns:
            columns = int(os.environ["COLUMNS"]) if os.environ.get("COLUMNS", "").isdigit() else 100
        return max(20, columns), lines or 25

    @property
    def width(self) -> int:
        return self._size()[0]

    def text(self, *parts: Part) -> Text:
        """Return a styled line that this terminal can show; parts are text or (text, style)."""
        from rich.text import Text

        line = Text()
        for part in parts:
            content, style = (part, "") if isinstance(part, str) else part
            line.append(encodable(shown(content), self.file.encoding), style=style or None)
        return line

    def line(self, *parts: Part, indent: int = 0) -> None:
        """Write one line; on a terminal it is folded at words, with `indent` spaces before the rest."""
        self._folded(self.text(), self.text(*parts), indent)

    def labeled(self, label: str, *parts: Part, column: int) -> None:
        """Write a dim label and, from `column` on, a text; on a terminal it is folded inside its column."""
        self._folded(self.text((label.ljust(column), "dim")), self.text(*parts), column)

    def _folded(self, start: Text, text: Text, indent: int) -> None:
        if not self.tty:
            self.console.print(start + text, soft_wrap=True)
            return
        room = max(10, self.width - max(indent, start.cell_len))
        # A number and its unit stay on one line; for rich even a no-break space is one to break at.
        text.plain = text.plain.replace(" %", "\ue000%")
        pieces = text.wrap(self.console, room)
        for piece in pieces:
            piece.plain = piece.plain.replace("\ue000%", " %")
            piece.rstrip()
        self.console.print(start + self.text("\n" + " " * indent).join(pieces))

    def verbatim(self, *parts: Part) -> None:
        """Write one line exactly as it is, never folded: a command to paste, a line of a diff."""
        self.console.print(self.text(*parts), soft_wrap=True)

    def table(self, rows: Sequence[Sequence[str]], *, right: Collection[int] = (), indent: str = "") -> None:
        """Write rows with their columns aligned; the first row is the header.

        Args:
            rows: cells, as many in each row.
            right: numbers of the columns that are aligned to the right, from 0.
            indent: what is before each row.
        """
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for number, row in enumerate(rows):
            cells = (
                cell.rjust(width) if column in right else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            self.line(indent, ("   ".join(cells).rstrip(), "" if number else "dim"))

    def show(self, renderable: RenderableType) -> None:
        """Write a table or another of rich's renderables."""
        self.console.print(renderable)
