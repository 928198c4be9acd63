"""Make the README's pictures from a real run of the example: the terminal as SVG, the report as PNG.

    python docs/pictures/make.py

Runs `pytest --fapo-optimize` in a copy of `example_project`, in a terminal of its own, and writes
`docs/pictures/run.svg`, `docs/pictures/report.png` and `docs/pictures/report-phone.png`. Needs Linux or
macOS and a Chromium for the report.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shutil
import struct
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PICTURES = REPOSITORY / "docs" / "pictures"
COLUMNS = 100
_SEQUENCE = re.compile(r"\x1b\[(?P<number>\d*)(?P<kind>[AJK])|\x1b\[\?\d+[hl]|(?P<return>\r)|(?P<line>\n)")
_SIZES = {"report.png": (1200, 1300), "report-phone.png": (390, 1500)}


def main() -> int:
    """Run the example and write the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "example_project")
        ignored = shutil.ignore_patterns(".fapo", "__pycache__", ".pytest_cache")
        shutil.copytree(REPOSITORY / "example_project", project, ignore=ignored)
        command = ["pytest", "--fapo-optimize"]
        recorded = record([sys.executable, "-m", *command], project)
        lines = list(left_on_screen(recorded.decode("utf-8", "replace")))
        (report,) = project.glob(".fapo/runs/*/report.html")
        Path(PICTURES, "run.svg").write_text(run_picture(lines), encoding="utf-8")
        for name, size in _SIZES.items():
            photograph(report, PICTURES / name, size)
    return 0


def record(command: Sequence[str], folder: Path) -> bytes:
    """Run a command in a terminal of its own and return all that it writes there."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        for name in ("CI", "NO_COLOR", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "PYTEST_ADDOPTS"):
            os.environ.pop(name, None)
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS))
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    written = bytearray()
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # Linux: the other side is closed
            part = b""
        if not part:
            break
        written += part
    os.waitpid(child, 0)
    return bytes(written)


def left_on_screen(recorded: str) -> Iterator[str]:
    """Yield the lines that a reader sees at the end, with their colors: what was written over is gone."""
    lines, row, at = [""], 0, 0
    for found in _SEQUENCE.finditer(recorded):
        lines[row] += recorded[at : found.start()]
        at = found.end()
        if found["line"]:
            row += 1
            if row == len(lines):
                lines.append("")
        elif found["return"] and not recorded.startswith(("\n", "\r"), at):
            lines[row] = ""
        elif found["kind"] == "A":
            row = max(0, row - int(found["number"] or 1))
        elif found["kind"] == "K":
            lines[row] = ""
    yield from lines


def run_picture(lines: Sequence[str]) -> str:
    """Return the candidates' lines and the summary as an SVG."""
    from rich.console import Console
    from rich.text import Text

    plain = [Text.from_ansi(line).plain for line in lines]
    first = next(number for number, line in enumerate(plain) if line.startswith("c1 "))
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi("\x1b[1m$ pytest --fapo-optimize\x1b[0m"))
    for line in lines[first:]:
        console.print(Text.from_ansi(line))
    return console.export_svg(title="pytest-fapo on example_project")


def photograph(page: Path, picture: Path, size: tuple[int, int]) -> None:
    """Write a picture of the report's first page."""
    from playwright.sync_api import sync_playwright

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser)
        shown = chromium.new_page(viewport={"width": size[0], "height": size[1]})
        shown.goto(page.as_uri())
        shown.screenshot(path=str(picture))
        chromium.close()


if __name__ == "__main__":
    sys.exit(main())
