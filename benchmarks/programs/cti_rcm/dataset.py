"""CTIBench-RCM 2021 from the official files, read where FAPO_DATA says; nothing of them is kept here."""

from __future__ import annotations

import csv
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from pytest_fapo.core.errors import CaseError

CVES = "cti-rcm-2021.tsv"
ANSWERS = "cti-rcm-2021.gpt4.txt"


def folder() -> Path:
    """The folder with the official files."""
    given = os.environ.get("FAPO_DATA", "")
    path = Path(given).expanduser().resolve()
    if not given or not (path / CVES).is_file():
        raise CaseError(
            f"set FAPO_DATA to the folder that holds {CVES} (see README.md); "
            + (f"it is not in {path}" if given else "it is not set")
        )
    os.environ["FAPO_DATA"] = str(path)  # absolute, for a run of the tests in another folder
    return path


@cache
def rows() -> list[dict[str, str]]:
    """The official table: URL, Description, Prompt, GT. No field is quoted, though some hold quotes."""
    with (folder() / CVES).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def cve(row: dict[str, str]) -> str:
    """`CVE-2021-36335`."""
    return row["URL"].rstrip("/").rsplit("/", 1)[-1]


def cves() -> list[dict[str, Any]]:
    """All CVEs as cases."""
    return [
        {
            "id": cve(row),
            "inputs": {"url": row["URL"], "description": row["Description"]},
            "expected": {"cwe": row["GT"]},
        }
        for row in rows()
    ]


def answers() -> list[str]:
    """GPT-4's recorded answers, in the order of the table."""
    text = (folder() / ANSWERS).read_text(encoding="utf-8")
    return [part.strip() for part in re.split(r"^#####\d+#####$", text, flags=re.MULTILINE)[1:]]
