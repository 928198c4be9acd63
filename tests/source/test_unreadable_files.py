"""Files of the scope that cannot be read: one line that names the file, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_fapo.core.errors import ArtifactError, FapoError
from pytest_fapo.core.scope import Scope
from pytest_fapo.loop.run_result import ScopeSnapshot
from pytest_fapo.source import artifact_store

DEEP = 3_000
CONTENTS = {
    "a control character": b'top_k: 3\nbanner: "\x1b[1mhi"\n',
    "NUL": b"top_k = 3\n\0\n",
    "latin-1": b"top_k = '\xe9'\n",
    "UTF-16 without a mark": "top_k: 3\n".encode("utf-16-le"),
    "a coding line that nobody knows": b"# -*- coding: klingon -*-\nTOP_K = 3\n",
    "unclosed brackets": b"top_k: [1, {\n",
    "deep brackets": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a long sum": b"TOP_K = " + b"+".join([b"1"] * DEEP) + b"\n",
    "a number of 10,000 digits": b'{"top_k": ' + b"9" * 10_000 + b"}",
    "two documents": b"top_k: 1\n---\ntop_k: 2\n",
    "a date that is none": b"top_k = 2024-99-99\n",
    "one key twice": b"top_k = 1\ntop_k = 2\n",
    "an alias of itself": b"top_k: &x [*x]\n",
}
ENTRIES = {
    "prompts": ("x.md", "x.py::*"),
    "params": ("x.yaml::*", "x.toml::*", "x.json::*", "x.py::*"),
    "structure": ("x.py",),
}


def taken(root: Path, level: str, entry: str) -> str:
    """Return the message about the entry; empty if it can be read."""
    try:
        ScopeSnapshot.take(root, Scope.model_validate({level: [entry]}))
    except FapoError as error:
        return str(error)
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("wildcard", [False, True], ids=["named", "pattern"])
@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_each_format_says_what_it_cannot_read(tmp_path: Path, content: bytes, wildcard: bool) -> None:
    for level, entries in ENTRIES.items():
        for entry in entries:
            name = entry.partition("::")[0]
            (tmp_path / name).write_bytes(content)
            said = taken(tmp_path, level, entry.replace("x.", "*.") if wildcard else entry)
            assert not said or name in said
            assert "\n" not in said
            (tmp_path / name).unlink()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(
        st.sampled_from(
            [b"a: ", b"- ", b"\n", b" ", b"'", b'"', b"{", b"}", b"[", b"]", b"&x ", b"*x", b"!t "]
        )
        | st.binary(max_size=3)
        | st.sampled_from(
            [b"%YAML 1.2\n", b"---\n", b"? ", b"| ", b"#", b"<<: ", b"0x", b"1e9", b"\t", b"=", b"9"]
        ),
        max_size=25,
    )
)
def test_no_bytes_are_a_crash(tmp_path: Path, pieces: list[bytes]) -> None:
    for level, entries in ENTRIES.items():
        for entry in entries:
            (tmp_path / entry.partition("::")[0]).write_bytes(b"".join(pieces))
            taken(tmp_path, level, entry)


def test_a_link_to_nothing_and_a_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.md").symlink_to(tmp_path / "gone.md")
    assert "'x.md' matches nothing: it is a link to something that is not there" in taken(
        tmp_path, "prompts", "x.md"
    )
    (tmp_path / "y.md").mkdir()
    assert "it is a folder" in taken(tmp_path, "prompts", "y.md")


def test_what_is_far_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_store, "LARGEST", 2**20)
    (tmp_path / "x.md").write_bytes(b"word " * 2**18)
    with pytest.raises(ArtifactError, match=r"x\.md: it is larger than 1 MB, too large to be edited"):
        ScopeSnapshot.take(tmp_path, Scope(prompts=["x.md"]))


COMMANDS = ("--fapo-optimize", "--fapo-diagnose", "--fapo-update-baseline", "--fapo-gate")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_it_in_one_line(pytester: pytest.Pytester, command: str) -> None:
    pytester.makefile(
        ".toml",
        pyproject="""
        [tool.fapo.scope]
        prompts = ["ask.md"]
        params = ["settings.yaml::*"]
        """,
    )
    pytester.path.joinpath("ask.md").write_text("Answer.\n")
    pytester.path.joinpath("settings.yaml").write_bytes(CONTENTS["a control character"])
    pytester.makepyfile(
        """
        import pytest, pytest_fapo as fapo
        @pytest.fixture
        def pipeline(): return str.upper
        @fapo.cases([{"id": "a", "inputs": "x", "expected": "Y"}], split="train")
        def test_it(case, run): assert run.output == case.expected
        """
    )
    result = pytester.runpytest_inprocess(command, "-p", "no:cacheprovider")
    text = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
    if command != "--fapo-gate":  # it misses its baseline first
        assert "settings.yaml: line 2: YAML allows no control character U+001B" in text
