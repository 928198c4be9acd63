"""One secret of each kind at each entrance: none in a file or line of ours, nor a raw control character."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.teams import (
    GOOD_PROMPT,
    LIGHT_APP,
    PYPROJECT,
    Server,
    make_project,
    proposal,
    serving,
    teams_cases,
)

from pytest_fapo.capture.redaction import Redactor, redacted

# Put together here, so that no scanner takes this file for a leak.
KEY_BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEF"
SECRETS = {
    "openai": "sk-" + "proj-abcdefghij0123456789",
    "github": "gh" + "p_" + "a1B2" * 9,
    "github fine": "github" + "_pat_" + "a1B2" * 9,
    "gitlab": "glp" + "at-" + "a1B2" * 5,
    "aws": "AK" + "IA" + "Z9Y8" * 4,
    "google": "AI" + "za" + "a1B2" * 8 + "abc",
    "slack": "xo" + "xb-" + "123456789012-abcdefABCDEF",
    "jwt": "ey" + "JhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0" + ".dozjgNryP4J3jVmN",
    "env": "correct-horse-battery-9",
    "env of the settings": "staple-of-the-provider-7",
}
AROUND = {
    "url": ("postgres://app:", "hunter2-in-the-url", "@db.example/x"),
    "query": ("https://api.example/v1?model=a&api_key=", "q-secret-123456", "&b=1"),
    "header": ("{'Authorization': 'Basic ", "dXNlcjpwYXNzd29yZDE=", "'}"),
    "value": ("connect(password='", "pa55word-in-quotes", "')"),
    "private key": ("-----BEGIN RSA " + "PRIVATE KEY-----\n", KEY_BODY, "\n-----END RSA PRIVATE KEY-----"),
}
TEXT = "\n".join([*SECRETS.values(), *("".join(parts) for parts in AROUND.values())])
VALUES = [*SECRETS.values(), *(parts[1] for parts in AROUND.values())]
HOSTILE = "\x1b[31mred\x9b32m \u202eoverride \x00 \U000e0041tag"
RAW = re.compile("[\x00\x1b\x80-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")

APP = (
    LIGHT_APP.replace("def handle(ticket):", "def handle(ticket):\n    fail(ticket)")
    + """
def fail(ticket):
    from planted import SECRETS
    if "order 1037" in ticket:
        raise ValueError(SECRETS)
"""
)
TEST = """
import pytest_fapo as fapo
from planted import HOSTILE, SECRETS

@fapo.cases("cases.jsonl")
def test_team(case, run):
    run.feedback(SECRETS)
    run.feedback(HOSTILE)
    right = run.output["team"] == case.expected["team"]
    assert right, SECRETS + HOSTILE

def test_plain():
    assert False, SECRETS + HOSTILE
"""


@pytest.mark.parametrize("kind", [*SECRETS, *AROUND])
def test_every_kind_is_known(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_PASSPHRASE", SECRETS["env"])
    secret = SECRETS.get(kind) or AROUND[kind][1]
    text = secret if kind in SECRETS else "".join(AROUND[kind])
    redact = Redactor(secrets=[SECRETS["env of the settings"]])
    for around in ("{}", "see {}, please", "a\n{}\nb", '"{}"'):
        clean = redact(around.format(text))
        assert secret not in clean
        assert "[redacted]" in clean
        assert redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/a?b=c&page=2#top",
        "the token count is 12: tokens=12, key = value",
        "Authorization: none",
        "time 12:30@noon, mail me at a:b@c",
        "password: please reset my password",
        "{'key': 'billing', 'token': 'word'}",
        "see http://[::1]:8080/v1 and http://127.0.0.1:18701/v1",
        "ghp is short; AKIA too; eyJ. as well",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def ours(root: Path, before: set[Path]) -> list[Path]:
    """Every file that was not there before the sessions."""
    return [path for path in root.rglob("*") if path.is_file() and path not in before]


@pytest.mark.slow
def test_nothing_of_it_is_kept_shown_or_sent(tmp_path: Path) -> None:
    with serving(Server()) as server:
        _all_commands(tmp_path / "project", server)


def _all_commands(root: Path, server: Server) -> None:
    root.mkdir()
    server.optimizer = lambda body: proposal(GOOD_PROMPT)
    cases: list[dict[str, Any]] = teams_cases(12)
    cases[2]["inputs"]["ticket"] += TEXT
    cases[3]["metadata"] = {"note": TEXT}
    settings = PYPROJECT.replace(
        "[tool.fapo.scope]", '[tool.fapo.llm.openai]\napi_key_env = "MY_OWN_NAME"\n[tool.fapo.scope]'
    )
    planted = f"SECRETS = {TEXT[::-1]!r}[::-1]\nHOSTILE = {HOSTILE!r}\n"
    files = {"planted.py": planted, "app/pipeline.py": APP, "test_teams.py": TEST, "pyproject.toml": settings}
    project = make_project(root, server, {**files, "cases.jsonl": "\n".join(map(json.dumps, cases))})
    project.env = {"SERVICE_PASSPHRASE": SECRETS["env"], "MY_OWN_NAME": SECRETS["env of the settings"]}
    before = {path for path in root.rglob("*") if path.is_file()}
    outputs = (
        "--fapo-report=r.html",
        "--fapo-summary=s.md",
        "--fapo-code-quality=q.json",
        "--junitxml=j.xml",
    )
    commands = [("--fapo-update-baseline",), ("--fapo-gate", *outputs, "--fapo-annotations=github")]
    commands += [("--fapo-diagnose",), ("--fapo-optimize", "--fapo-write=patch", "-v", "--deselect", TEXT)]
    for command in commands:
        text = project.pytest("--tb=no", "-rN", *command).text
        _check(f"{command} says", text, people=True)
    taken_out = set()
    for path in ours(root, before):
        text = path.read_bytes().decode("utf-8", "replace")
        if path.name == "j.xml":
            text = "\n".join(re.findall(r"<property .*?>", text))
        taken_out.update([path.name] if "[redacted]" in text else [])
        people = path.suffix in (".html", ".md", ".xml") or path.name == "q.json"
        _check(str(path.relative_to(root)), text, people=people)
    for body in server.optimizer_requests:
        _check("a prompt of the optimizer", json.dumps(body, ensure_ascii=False), people=False)
    assert server.optimizer_requests
    # They did come that far.
    assert {"reference.json", "journal.jsonl", "c1.effects.jsonl", "r.html", "report.html"} <= taken_out


def _check(where: str, text: str, *, people: bool) -> None:
    for value in VALUES:
        place = text.find(value)
        assert place < 0, (where, value, text[max(0, place - 300) : place + 100])
    found = RAW.search(text) if people else None
    assert found is None, (where, found, text[max(0, found.start() - 300) : found.end() + 50])
