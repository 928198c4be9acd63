from __future__ import annotations

import ast
import codecs
import sys
import sysconfig
from pathlib import Path

import pytest
from source.conftest import MakeStore

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.artifact_store import ArtifactStore

PIPELINE = '''\
#!/usr/bin/env python
"""A pipeline."""

from __future__ import annotations

import json
from app.llm import ask  # the helper

LIMIT = 3


# What answer does.
@traced(
    "answer",
)
def answer(question: str) -> str:
    """Doc
    of it.
    """
    text = """
raw
    line
"""
    return ask(question + text)  # the end
    # a last word


# Between two functions.
async def search(query):
    return await go(query)


class Bot:
    """A class."""

    limit = 1

    @property
    def name(self):
        return "x"

    @classmethod
    async def run(cls, query):
        prompt = f"""
        {query}
    low
"""
        return prompt

    class Inner:
        def deep(self): return 1

    @overload
    def many(self, a: int): ...
    @overload
    def many(self, a: str): ...
    def many(self, a): return a

    @property
    def size(self): return 1
    @size.setter
    def size(self, value): pass


if LIMIT:
    def chosen(): return 1
else:
    def chosen(): return 2

try:
    import fast
except ImportError:
    def only(): return 3


def last():
    def inner():
        return 1
    return inner'''


def change(store: ArtifactStore, *edits: tuple[str, str], path: str = "p.py") -> str:
    """The file after edits of `(name, new source)`; a name that is not there is created."""
    known = {artifact.name: artifact.text for artifact in store.all("structure")}
    made = [Edit(address=f"{path}::{name}", before=known.get(name, ""), after=after) for name, after in edits]
    return store.render(made)[path].decode()


@pytest.fixture
def store(make_store: MakeStore) -> ArtifactStore:
    return make_store({"p.py": PIPELINE}, structure=["p.py"])


def test_functions_and_methods_of_a_file(store: ArtifactStore) -> None:
    found = {artifact.name: artifact for artifact in store.all("structure")}
    assert list(found) == ["answer", "search", "Bot.name", "Bot.run", "Bot.Inner.deep", "only", "last"]
    assert found["answer"].text.startswith('@traced(\n    "answer",\n)\ndef answer(question: str) -> str:\n')
    assert found["answer"].text.endswith("    return ask(question + text)  # the end\n    # a last word\n")
    assert found["Bot.run"].text == (
        '@classmethod\nasync def run(cls, query):\n    prompt = f"""\n        {query}\n    low\n"""\n'
        "    return prompt\n"
    )
    assert found["Bot.Inner.deep"].text == "def deep(self): return 1\n"
    assert {artifact.kind for artifact in found.values()} == {"function"}
    for name, words in {
        "Bot.many": "overloads",
        "Bot.size": "setter",
        "chosen": "defined in 2 places",
    }.items():
        assert words in store.skipped[f"p.py::{name}"]
        with pytest.raises(ArtifactError, match=words):
            store.get(f"p.py::{name}")


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ("p.py::answer", ["answer"]),
        ("p.py::*", ["answer", "search", "only", "last"]),
        ("p.py::Bot.*", ["Bot.name", "Bot.run"]),
        ("*.py::*.*.deep", ["Bot.Inner.deep"]),
    ],
)
def test_functions_by_pattern(make_store: MakeStore, entry: str, names: list[str]) -> None:
    store = make_store({"p.py": PIPELINE}, structure=[entry])
    assert [artifact.name for artifact in store.all()] == names
    assert store.in_scope(f"p.py::{names[0]}", "structure")
    assert not store.in_scope("p.py", "structure")
    assert not store.in_scope("p.py::Bot.other.name.deep", "structure")


def test_the_same_source_changes_nothing(store: ArtifactStore) -> None:
    for artifact in store.all("structure"):
        assert change(store, (artifact.name, artifact.text)) == PIPELINE, artifact.name


def test_a_new_source_keeps_all_other_lines(store: ArtifactStore) -> None:
    new = '@traced("answer")\ndef answer(question: str) -> str:\n    return ask(question)\n'
    start = PIPELINE.index("@traced")
    end = PIPELINE.index("\n\n# Between")
    assert change(store, ("answer", new)) == PIPELINE[:start] + new + PIPELINE[end:]


def test_a_method_is_indented_and_its_texts_are_not(store: ArtifactStore) -> None:
    new = '@classmethod\nasync def run(cls, query):\n    text = """\nzero\n  two\n"""\n\n    return text\n'
    result = change(store, ("Bot.run", new))
    assert (
        '    @classmethod\n    async def run(cls, query):\n        text = """\nzero\n  two\n"""\n\n'
        "        return text\n\n    class Inner:\n" in result
    )
    child = store.with_files({"p.py": result.encode()})
    assert child.get("p.py::Bot.run").text == new


def test_a_source_indented_as_a_whole_is_taken(store: ArtifactStore) -> None:
    assert "    def deep(self):\n            return 2\n" in change(
        store, ("Bot.Inner.deep", "\n    def deep(self):\n        return 2\n\n")
    )


def test_missing_imports_are_added_once_and_in_place(store: ArtifactStore) -> None:
    new = (
        "from __future__ import annotations\nimport json, re\nfrom app.llm import ask, ask_many\n"
        "from .near import thing as other\nimport os.path\n\n\n# why\ndef search(query):\n    return re\n"
    )
    result = change(store, ("search", new))
    assert (
        "from app.llm import ask  # the helper\nimport re\nfrom app.llm import ask_many\n"
        "from .near import thing as other\nimport os.path\n\nLIMIT = 3\n" in result
    )
    assert "# Between two functions.\n# why\ndef search(query):\n    return re\n\n\nclass Bot" in result
    assert ast.parse(result)


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        ("", "import re\n\n"),
        ('"""Doc."""\n', '"""Doc."""\n\nimport re\n\n'),
        ('"""Doc."""\n\n\n', '"""Doc."""\n\nimport re\n\n\n'),
        ("#!/bin/x\n# coding: utf-8\n\n", "#!/bin/x\n# coding: utf-8\n\nimport re\n\n"),
        ("from __future__ import annotations\n\n", "from __future__ import annotations\n\nimport re\n\n"),
        ("import a\n\n\n", "import a\nimport re\n\n\n"),
        ("import a; X = 1\n", "import a; X = 1\nimport re\n"),
        ("from a import (\n    b,  # c\n)\n", "from a import (\n    b,  # c\n)\nimport re\n"),
        (
            "try:\n    import re\nexcept ImportError: pass\n",
            "try:\n    import re\nexcept ImportError: pass\n",
        ),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import re\n",
            "from typing import TYPE_CHECKING\nimport re\nif TYPE_CHECKING:\n    import re\n",
        ),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_where_imports_go(make_store: MakeStore, head: str, wanted: str, newline: str) -> None:
    source = (head + "def f():\n    pass\n").replace("\n", newline).encode()
    store = make_store({"p.py": source}, structure=["p.py::f"])
    result = change(store, ("f", "import re\ndef f():\n    return re\n"))
    assert result == (wanted + "def f():\n    return re\n").replace("\n", newline)


def test_a_future_import_goes_first(make_store: MakeStore) -> None:
    store = make_store({"p.py": '"""Doc."""\nimport a\n\ndef f(): pass\n'}, structure=["p.py"])
    result = change(store, ("f", "from __future__ import annotations\nimport b\ndef f(): return b\n"))
    assert ast.parse(result)
    assert result == (
        '"""Doc."""\n\nfrom __future__ import annotations\n\nimport a\nimport b\n\ndef f(): return b\n'
    )
    compile(result, "p.py", "exec")


@pytest.mark.parametrize(
    "statement", ["from x import LIMIT", "from x import json", "import x as ask", "import x as Bot"]
)
def test_an_import_that_takes_a_name_is_refused(store: ArtifactStore, statement: str) -> None:
    with pytest.raises(ArtifactError, match=r"would give .* another meaning"):
        change(store, ("search", f"{statement}\ndef search(query): pass"))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("answer", "def other(): pass", "expected the source of one function 'answer'"),
        ("answer", "X = 1\ndef answer(): pass", "found 'X = 1', function 'answer'"),
        ("answer", "def answer(): pass\ndef helper(): pass", "an edit of its own"),
        ("answer", "def answer(): pass\nimport re", "expected the source of one function"),
        ("answer", "class answer: pass", "must be a function, not a class"),
        ("answer", "def answer(:\n    pass", "not valid Python: line 1"),
        ("answer", "", "found nothing"),
        ("Bot.name", "def Bot_name(self): pass", "one function 'name'"),
        ("LIMIT", "def LIMIT(): pass", "something of this name already"),
        ("json", "def json(): pass", "something of this name already"),
        ("Bot", "def Bot(): pass", "something of this name already"),
        ("Bot.many", "def many(self): pass", "overloads"),
        ("None.x", "def x(self): pass", "no class 'None'"),
        ("Cat.x", "def x(self): pass", "no class 'Cat' of its own"),
        ("fresh", "  ", "nothing is created by an edit without a text"),
        ("fresh", "fresh = 1", "expected the source of one function 'fresh'"),
    ],
)
def test_what_is_no_source_of_the_function_is_refused(
    store: ArtifactStore, name: str, text: str, words: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        change(store, (name, text))
    assert words in str(caught.value)
    assert f"p.py::{name}" in str(caught.value)


def test_a_new_function_stands_before_its_first_use(store: ArtifactStore) -> None:
    result = change(
        store,
        ("_verify", "import math\ndef _verify(text):\n    return _ask_once(text)"),
        ("answer", "def answer(question):\n    return _verify(_ask_once(question))\n"),
        ("_ask_once", "def _ask_once(text):\n    return ask(text)\n"),
    )
    assert (
        "LIMIT = 3\n\n\ndef _ask_once(text):\n    return ask(text)\n\n\n"
        "def _verify(text):\n    return _ask_once(text)\n\n\n"
        "# What answer does.\ndef answer(question):\n" in result
    )
    assert "# the helper\nimport math\n\nLIMIT" in result
    assert result.endswith("    return inner"), "the end of the file is not touched"


def test_a_new_function_without_use_goes_to_the_end(store: ArtifactStore) -> None:
    result = change(store, ("tail", "async def tail():\n    return 1"))
    assert result == PIPELINE + "\n\n\nasync def tail():\n    return 1\n"
    again = store.with_files({"p.py": (result + "\n\n").encode()})
    assert change(again, ("more", "def more(): pass")).endswith("return 1\n\n\ndef more(): pass\n\n\n")


def test_a_new_method_goes_to_the_end_of_its_class(store: ArtifactStore) -> None:
    result = change(store, ("Bot.size_of", "def size_of(self):\n    return 2\n"))
    assert (
        "    def size(self, value): pass\n\n    def size_of(self):\n        return 2\n\n\nif LIMIT:" in result
    )


def test_a_new_function_in_a_file_without_any(make_store: MakeStore) -> None:
    store = make_store({"p.py": b"", "q.py": b'"""Doc."""\r\nX = 1\r\n'}, structure=["p.py", "q.py"])
    assert store.all() == []
    assert store.paths() == ["p.py", "q.py"]
    assert change(store, ("f", "import re\ndef f(): return re\n")) == "import re\n\ndef f(): return re\n"
    assert change(store, ("f", "def f(): return X"), path="q.py") == (
        '"""Doc."""\r\nX = 1\r\n\r\n\r\ndef f(): return X\r\n'
    )


def test_a_creation_is_told_from_an_edit(store: ArtifactStore) -> None:
    assert store.creates(Edit(address="p.py::fresh", before="", after="def fresh(): pass"))
    assert not store.creates(Edit(address="p.py::answer", before="", after="def answer(): pass"))
    assert not store.creates(Edit(address="other.py::fresh", before="", after="def fresh(): pass"))
    assert not store.creates(Edit(address="p.py::fresh", before="x", after="def fresh(): pass"))
    with pytest.raises(ArtifactError, match="not the one that the edit was made for"):
        store.render([Edit(address="p.py::answer", before="", after="def answer(): pass")])
    with pytest.raises(ArtifactError, match="not in the scope"):
        store.render([Edit(address="other.py::f", before="", after="def f(): pass")])


def test_tests_are_never_rewritten(make_store: MakeStore) -> None:
    files = {
        "app/p.py": "def f(): pass\n",
        "app/test_p.py": "def test_f(): pass\n",
        "conftest.py": "def x(): 1\n",
    }
    store = make_store(files, structure=["**/*.py"])
    assert [artifact.address for artifact in store.all()] == ["app/p.py::f"]
    assert "tests are not rewritten" in store.skipped["conftest.py::x"]
    for address in ("app/test_p.py::test_f", "conftest.py::fresh"):
        with pytest.raises(ArtifactError, match="tests are not rewritten"):
            store.render([Edit(address=address, before="", after="def fresh(): pass")])


def test_a_broken_file_among_many_is_skipped_and_alone_is_said(make_store: MakeStore) -> None:
    files = {"a.py": "def f(): pass\n", "b.py": "def g(:\n"}
    store = make_store(files, structure=["*.py"])
    assert [artifact.address for artifact in store.all()] == ["a.py::f"]
    assert "not valid Python" in store.skipped["b.py"]
    with pytest.raises(ArtifactError, match=r"b.py: line 1: not valid Python"):
        make_store(files, structure=["b.py"]).all()
    with pytest.raises(ArtifactError, match="at level structure an address is"):
        make_store({"c.md": "x"}, structure=["c.md"]).all()
    with pytest.raises(ArtifactError, match="did you mean 'f'"):
        make_store({"a.py": "def f(): pass\n"}, structure=["a.py::ff"]).all()


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_mark_newlines_and_coding_are_kept(make_store: MakeStore, newline: str) -> None:
    source = "X = 'é'\n\n\ndef f():\n    a = 'ü'\n    b = 2\n    return a\n\n\ndef g(): return 1"
    new = "def f():\n    a = 'ü'\n    c = 'ß'\n    return a\n"
    for mark, head, encoding in (
        (codecs.BOM_UTF8, "", "utf-8"),
        (b"", "# coding: latin-1\n", "latin-1"),
    ):
        whole = (head + source).replace("\n", newline)
        store = make_store({"p.py": mark + whole.encode(encoding)}, structure=["p.py"])
        artifact = store.get("p.py::f")
        result = store.render([Edit(address="p.py::f", before=artifact.text, after=new)])["p.py"]
        wanted = whole.replace("    b = 2", "    c = 'ß'")
        assert result == mark + wanted.encode(encoding)
        one_line = store.get("p.py::g")
        result = store.render(
            [Edit(address="p.py::g", before=one_line.text, after="def g():\n    return 2\n")]
        )["p.py"]
        wanted = whole.replace("def g(): return 1", f"def g():{newline}    return 2{newline}")
        assert result == mark + wanted.encode(encoding)


def test_a_character_that_the_file_cannot_hold_is_said(make_store: MakeStore) -> None:
    store = make_store({"p.py": b"# coding: latin-1\ndef f(): return 1\n"}, structure=["p.py"])
    with pytest.raises(ArtifactError, match=r"p.py::f: 'latin-1' codec"):
        store.render([Edit(address="p.py::f", before="def f(): return 1\n", after="def f(): return '→'")])


def test_tabs(make_store: MakeStore) -> None:
    source = "class C:\n\tdef f(self):\n\t\tif self:\n\t\t\treturn 1\n"
    store = make_store({"p.py": source}, structure=["p.py"])
    assert store.get("p.py::C.f").text == "def f(self):\n\tif self:\n\t\treturn 1\n"
    new = 'def f(self):\n    text = """\n    two\n"""\n    if self:\n        return 2\n    return text\n'
    result = change(store, ("C.f", new), ("C.g", "def g(self):\n    return 3\n"))
    assert result == (
        'class C:\n\tdef f(self):\n\t\ttext = """\n    two\n"""\n\t\tif self:\n\t\t\treturn 2\n'
        "\t\treturn text\n"
        "\n\tdef g(self):\n\t\treturn 3\n"
    )
    assert ast.parse(result)


def test_awkward_decorators_and_lines(make_store: MakeStore) -> None:
    source = (
        "@(\n    lambda f: f\n)\n# between\n@other\ndef f(): return 1; x = 2\n"
        "class A: pass\nclass B:\n    def g(self): return \\\n        1\n    # in the class\n# outside\n"
        "def h(\n    a,\n): return a\n"
    )
    store = make_store({"p.py": source}, structure=["p.py"])
    texts = {artifact.name: artifact.text for artifact in store.all()}
    assert texts["f"] == "@(\n    lambda f: f\n)\n# between\n@other\ndef f(): return 1; x = 2\n"
    assert texts["B.g"] == "def g(self): return \\\n    1\n"
    result = change(store, ("B.g", "def g(self):\n    return 2\n"))
    assert result == source.replace("return \\\n        1", "\n        return 2").replace(
        "g(self): \n", "g(self):\n"
    )


@pytest.mark.slow
def test_real_modules_come_back_exactly_and_take_a_new_decorator(make_store: MakeStore) -> None:
    folder = Path(sysconfig.get_path("stdlib"))
    names = ["argparse.py", "textwrap.py", "dataclasses.py", "asyncio/tasks.py"]
    files = {name.replace("/", "_"): (folder / name).read_bytes() for name in names}
    store = make_store(files, structure=["*.py"])
    picked = [artifact for number, artifact in enumerate(store.all()) if number % 40 == 0]
    assert len(picked) > 5
    for artifact in picked:
        same = Edit(address=artifact.address, before=artifact.text, after=artifact.text)
        assert store.render([same])[artifact.path] == files[artifact.path], artifact.address
        text = f"import wrapping\n@wrapping.once\n{artifact.text}"
        changed = store.render([Edit(address=artifact.address, before=artifact.text, after=text)])
        lines = changed[artifact.path].decode().splitlines()
        lines.remove("import wrapping")
        lines.remove(next(line for line in lines if line.strip() == "@wrapping.once"))
        assert lines == files[artifact.path].decode().splitlines(), artifact.address


@pytest.mark.skipif(sys.version_info < (3, 12), reason="nested quotes in f-strings")
def test_f_strings_of_several_lines(make_store: MakeStore) -> None:
    body = 'def f(self):\n    return f"""\n{"a" + f"""\nx\n"""}\n  y\n"""\n'
    source = "class C:\n" + body.replace("def", "    def").replace("    return", "        return")
    store = make_store({"p.py": source}, structure=["p.py"])
    assert store.get("p.py::C.f").text == body
    assert change(store, ("C.f", body)) == source
