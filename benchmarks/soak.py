"""Thousands of candidates in one run: memory, descriptors and temporary files stay as they are.

A plugin's proposer gives candidates that change a function and help nothing. It notes what the optimizing
process holds before every third one; then the run is interrupted, and the time of its resumption is taken.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.planted.table import Figure, show

WHOLE, SHORT = 2000, 200

WARM = 0.1
"""The part of the run that may still take memory."""

FILES = {
    "app.py": "def answer(text):\n    return text\n",
    "test_a.py": """import pytest_fapo as fapo


@fapo.cases("cases.jsonl")
def test_a(case, run):
    assert run.output == case.expected
""",
    "cases.jsonl": "".join(
        json.dumps(
            {"id": f"c{number}", "inputs": {"text": "x"}, "expected": "xy"[number % 2], "split": split}
        )
        + "\\n"
        for number, split in enumerate(["train"] * 4 + ["val"] * 2 + ["holdout"] * 2)
    ).replace("\\n", "\n"),
    "conftest.py": '''import faulthandler, json, os, signal, tempfile, time
from pathlib import Path

import pytest


faulthandler.register(signal.SIGUSR1)


@pytest.fixture(scope="session")
def pipeline():
    from app import answer

    return answer


def note(number):
    """What this process holds."""
    temporary = sum(len(files) + len(folders) for _, folders, files in os.walk(tempfile.gettempdir()))
    held = {
        "number": number,
        "time": time.time(),
        "memory": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "temporary": temporary,
    }
    with open(os.environ["SOAK_NOTES"], "a") as file:
        file.write(json.dumps(held) + "\\n")


class Soak:
    def __init__(self, name):
        self.name, self.start = name, int(name.partition(":")[2])

    def check(self):
        pass

    def propose(self, evidence):
        from pytest_fapo import Candidate, Edit

        note(self.start)
        before = next(each for each in evidence.artifacts if each.name == "answer")
        for number in range(self.start, self.start + 3):
            after = f"def answer(text):\\n    return text.removesuffix('z' * {number + 1})\\n"
            yield Candidate(
                parent=evidence.parent,
                edits=[Edit(address=before.address, before=before.text, after=after)],
                hypothesis="it will do", proposer=self.name, technique=f"number {number}",
                level="structure", cluster=evidence.cluster.id, step=evidence.cluster.step,
                targets=evidence.cluster.nodeids,
            )

    def revise(self, candidate, review, evidence):
        return None

    def repair(self, repair, evidence):
        return None


def pytest_fapo_proposer(spec):
    if spec.startswith("soak"):
        return Soak(spec)
''',
}


def run(check: bool, quick: bool) -> int:
    """2,000 candidates, 200 with `quick`."""
    if sys.platform != "linux":
        print("soak: not measured, it reads /proc")
        return 2 if check else 0
    count = SHORT if quick else WHOLE
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        figures = _measured(Path(name), count)
    show(figures)
    return int(check and not all(figure.holds for figure in figures))


def _measured(folder: Path, count: int) -> list[Figure]:
    root, temporary, notes = folder / "project", folder / "t", folder / "notes.jsonl"
    temporary.mkdir()
    optimizer = [f"soak:{number}" for number in range(0, count, 3)]
    settings = f"""[tool.pytest.ini_options]
pythonpath = ["."]
[tool.fapo]
optimizer = {json.dumps(optimizer)}
parallel = 1
[tool.fapo.scope]
structure = ["app.py"]
"""
    for path, text in {**FILES, "pyproject.toml": settings}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    environment = {
        **{key: value for key, value in os.environ.items() if key not in ("CI", "PYTHONDONTWRITEBYTECODE")},
        "SOAK_NOTES": os.fspath(notes),
        "TMPDIR": os.fspath(temporary),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    begin, output, ending = time.time(), folder / "output.txt", 0.0
    command = [sys.executable, "-m", "pytest", "-p", "pytest_fapo.plugin", "-p", "no:cacheprovider"]
    with output.open("w") as file:
        process = subprocess.Popen(
            [*command, "--fapo-optimize", "--fapo-write=never"],
            cwd=root,
            env=environment,
            stdout=file,
            stderr=file,
            preexec_fn=_heed_ctrl_c,
        )
        while process.poll() is None:
            time.sleep(0.5)
            if _last(notes) >= count - 3:
                ending = _interrupt(process, output)
    seconds = time.time() - begin
    held = [json.loads(line) for line in notes.read_text().splitlines()]
    (journal,) = (root / ".fapo" / "runs").glob("*/journal.jsonl")
    judged = journal.read_text().count('"event":"judged"') + journal.read_text().count('"event": "judged"')
    size = sum(path.stat().st_size for path in journal.parent.rglob("*") if path.is_file())
    notes.unlink()
    with output.open("a") as file:
        process = subprocess.Popen(
            [*command, "--fapo-resume"],
            cwd=root,
            env=environment,
            stdout=file,
            stderr=file,
            preexec_fn=_heed_ctrl_c,
        )
        while process.poll() is None and _last(notes) < count - 10:
            time.sleep(0.1)
        resumed = _processor_time(process.pid)
        _interrupt(process, output)
    warm = next(each for each in held if each["number"] >= WARM * count)
    end = held[-1]
    grown = (end["memory"] - warm["memory"]) / max(end["number"] - warm["number"], 1)
    left = sum(1 for _ in temporary.rglob("*"))
    return [
        Figure(
            "candidates judged", f">= {count - 10}", f"{judged}", judged >= count - 10,
            notes=[f"{seconds:.0f} s"],
        ),
        Figure(
            "memory a candidate, past the first tenth", "<= 20 kB", f"{grown / 1000:.1f} kB", grown <= 20_000,
            notes=[
                f"{warm['memory'] / 1e6:.0f} MB after {warm['number']}, "
                f"{end['memory'] / 1e6:.0f} MB at the end"
            ],
        ),
        Figure("seconds from Ctrl-C to the end", "<= 30", f"{ending:.1f}", ending <= 30),
        _flat("descriptors", warm, end),
        _flat("temporary files", warm, end),
        Figure("temporary files left behind", "0", f"{left}", left == 0),
        Figure(
            "run folder a candidate", "<= 20 kB", f"{size / judged / 1000:.1f} kB", size <= 20_000 * judged
        ),
        Figure(
            "resumed: processor seconds a candidate",
            "<= 0.05", f"{resumed / count:.3f}", resumed <= 5 + 0.05 * count,
            notes=[f"{resumed:.1f} s of a processor until it went on"],
        ),
    ]  # fmt: skip


def _heed_ctrl_c() -> None:
    """What a shell starts in the background ignores it, and all that this starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupt(process: subprocess.Popen[bytes], output: Path) -> float:
    """Press Ctrl-C; give the seconds until the process has ended.

    Raises:
        RuntimeError: it goes on; the message says where it is.
    """
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
        time.sleep(2)
        process.kill()
        raise RuntimeError(f"it did not end within 60 s:\n{output.read_text()[-6000:]}") from None
    return time.monotonic() - begin


def _processor_time(pid: int) -> float:
    """Return the seconds that a process has taken so far, with those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _flat(name: str, warm: dict[str, int], end: dict[str, int]) -> Figure:
    key = name.split()[0]
    said = f"{warm[key]} after {warm['number']}, {end[key]} at the end"
    return Figure(name, "flat", said, end[key] <= warm[key] + 10)


def _last(notes: Path) -> int:
    try:
        return int(json.loads(notes.read_text().splitlines()[-1])["number"])
    except (OSError, IndexError, ValueError):
        return -1
