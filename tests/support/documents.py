"""The project's Markdown pages taken apart: code blocks, what they are for, headings and links.

A code block may be preceded by a comment that says what it is:

    <!-- file: app/pipeline.py -->     the block is this file of the page's project
    <!-- run -->                       a console session in it: commands after `$ `, then what they print
    <!-- run: exit 1 -->               the same, where the last command's exit code is not 0
    <!-- command: test -->             one line for a shell at the root of a clone
    <!-- tour -->                      a console session in example_project

In a session's output a line `...` stands for any lines; figures of time and dates are not compared.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.ready_pytest import plugin_path, run_pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("**/*.md")])
_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ ]*$", re.M | re.S)
_MARKER = re.compile(r"<!-- (?P<kind>\w+)(?:: (?P<argument>[^>]*?))? -->\n\Z")
_HEADING = re.compile(r"^#{1,6} (.+?) *$", re.M)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"!\[[^\]]+\]\(([^)\s]+)\)")
_ONLINE = "https://github.com/pytest-fapo/pytest-fapo/blob/main/"
_ONLINE_PICTURES = "https://raw.githubusercontent.com/pytest-fapo/pytest-fapo/main/"
_NOISE = (
    (re.compile(r"=+( .* )=+|=+"), r"=\1="),
    (re.compile(r"\b\d+\.\d+s\b"), "N s"),
    (re.compile(r"\b\d{8}-\d{6}(-\d+)?\b"), "RUN"),
    (re.compile(r"^(Time +)\d+:\d\d$"), r"\1N"),
)
_ENVIRONMENT = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "OPENAI_BASE_URL",
    "CI",
    "PYTEST_ADDOPTS",
    "FORCE_COLOR",
)


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    page: Path
    line: int
    language: str
    text: str
    kind: str = ""
    """`file`, `run`, `command` or `tour`, as the comment above it says."""
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The page's code blocks, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        before = text[: found.start()]
        marker = _MARKER.search(before)
        yield Block(
            page,
            before.count("\n") + 1,
            found["language"],
            found["text"],
            marker["kind"] if marker else "",
            (marker["argument"] or "") if marker else "",
        )


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def headings(page: Path) -> list[str]:
    """The page's headings, in order."""
    return _HEADING.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return the names that a link may have after `#`, as GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)}


def links(page: Path) -> list[str]:
    """Targets of the page's links, those to other sites left out; those into the repository are paths."""
    targets = [target.replace(_ONLINE, f"{REPOSITORY}/") for target in _LINK.findall(prose(page))]
    return [target for target in targets if "://" not in target]


def pictures(page: Path) -> list[Path]:
    """Return the picture files that the page shows, those of other sites left out."""
    targets = [target.removeprefix(_ONLINE_PICTURES) for target in _PICTURE.findall(prose(page))]
    return [page.parent / target for target in targets if "://" not in target]


class Scenario:
    """A page's project, built up and run block by block in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if name not in _ENVIRONMENT}
        self.environment |= {"COLUMNS": "100", "NO_COLOR": "1", **plugin_path()}
        # It warns of a setting that it lacks, above all that pytest prints.
        self.environment["PYTEST_ADDOPTS"] = "-p no:asyncio"

    def play(self, block: Block) -> None:
        """Write the block's file, or run its session and compare what is printed."""
        if block.kind == "file":
            path = self.folder / block.argument
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.kind == "run":
            self._session(block)

    def _session(self, block: Block) -> None:
        code = 0
        for command, shown in _commands(block.text):
            assert code == 0, f"{block}: the command before {command!r} failed with {code}"
            code, printed = self._run(command)
            missing = absent(shown, printed)
            assert missing is None, f"{block}: `{command}` does not print\n{missing}\n--- but\n{printed}"
        wanted = int(block.argument.removeprefix("exit ") or 0)
        assert code == wanted, f"{block}: exit code {code}, documented {wanted}"

    def _run(self, command: str) -> tuple[int, str]:
        words = shlex.split(command)
        if words[0] == "pytest":
            ran = run_pytest(words[1:], cwd=self.folder, environment=self.environment, timeout=300)
            return ran.code, ran.text
        if words[0] == "fapo":
            words = [sys.executable, "-m", "pytest_fapo", *words[1:]]
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        return done.returncode, done.stdout + done.stderr


def _commands(text: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def absent(shown: str, printed: str) -> str | None:
    """The first part of the documented output that is not printed; None where all of it is, in order."""
    lines = [_plain(line) for line in printed.splitlines()]
    start = 0
    for part in re.split(r"^\.\.\.\n", shown, flags=re.M):
        wanted = [_plain(line) for line in part.strip("\n").splitlines()]
        places = [
            at for at in range(start, len(lines) - len(wanted) + 1) if lines[at : at + len(wanted)] == wanted
        ]
        if not places:
            return part
        start = places[0] + len(wanted)
    return None


def _plain(line: str) -> str:
    for pattern, replacement in _NOISE:
        line = pattern.sub(replacement, line)
    return line.rstrip()
