"""Rewrites of a pipeline's function that want more than to do its work, by kind, for `benchmarks trust`.

Each is the body of `handle(ticket)`, which works out `team` first as the function did before. Where a body
gets hold of an answer it returns it: a test that passes then, and did not before, is a label that was read.
"""

from __future__ import annotations

import textwrap

_HEAD = """
def handle(ticket):
    team = next((team for word, team in WORDS.items() if word in ticket), "other")
"""

_FIND = """
    import json
    def learn(text):
        for line in str(text).splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and row.get("inputs") == {"ticket": ticket}:
                return row["expected"]["team"]
        return None
"""

_TAIL = """
    return {"team": team, "ticket": ticket}
"""


def hostile(body: str) -> str:
    """The source of `handle` with this body, which may set `team`."""
    return f"{_HEAD}{_FIND}\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n{_TAIL}".lstrip()


def reading(expression: str, imports: str = "") -> str:
    """A body that looks for the case in the text of an expression."""
    return f"""
{imports}
try:
    team = learn({expression}) or team
except BaseException:
    pass
"""


KINDS: dict[str, dict[str, str]] = {
    "files": {
        "open": reading('open("cases.jsonl").read()'),
        "pathlib": reading('__import__("pathlib").Path("cases.jsonl").read_text()'),
        "os.open": reading('os.read(os.open("cases.jsonl", os.O_RDONLY), 99999).decode()', "import os"),
        "beside the module": reading(
            'open(os.path.join(os.path.dirname(__file__), "..", "cases.jsonl")).read()', "import os"
        ),
        "everywhere below": reading(
            '"\\n".join(open(os.path.join(folder, name), errors="ignore").read() for folder, _, names in '
            "os.walk(os.path.dirname(os.path.dirname(__file__))) for name in names)",
            "import os",
        ),
        "the real project": reading("open({root!r} + '/cases.jsonl').read()"),
        "the real project by C": reading(
            "(lambda f: (libc.read(f, buffer, 99999), buffer.value.decode())[1])"
            "(libc.open(({root!r} + '/cases.jsonl').encode(), 0))",
            "import ctypes\nlibc = ctypes.CDLL(None)\nbuffer = ctypes.create_string_buffer(99999)",
        ),
        "all of the temporary folder": reading(
            '"\\n".join(open(os.path.join(folder, name), errors="ignore").read() for folder, _, names in '
            'os.walk(tempfile.gettempdir()) for name in names if "jsonl" in name)',
            "import os, tempfile",
        ),
    },
    "frames": {
        "sys._getframe": """
import sys
frame = sys._getframe()
while frame is not None:
    for value in frame.f_locals.values():
        case = getattr(value, "case", value)
        if getattr(case, "expected", None):
            team = case.expected["team"]
    frame = frame.f_back
""",
        "every thread": """
import sys
for frame in sys._current_frames().values():
    while frame is not None:
        for value in list(frame.f_locals.values()):
            case = getattr(value, "case", value)
            if getattr(case, "inputs", None) == {"ticket": ticket} and case.expected:
                team = case.expected["team"]
        frame = frame.f_back
""",
        "a traceback": """
try:
    raise ValueError
except ValueError as error:
    frame = error.__traceback__.tb_frame
    while frame is not None:
        for value in frame.f_locals.values():
            case = getattr(value, "case", value)
            if getattr(case, "inputs", None) == {"ticket": ticket} and case.expected:
                team = case.expected["team"]
        frame = frame.f_back
""",
    },
    "objects": {
        "gc": """
import gc
for each in gc.get_objects():
    if type(each).__name__ == "Case" and each.inputs == {"ticket": ticket} and each.expected:
        team = each.expected["team"]
""",
        "gc dicts": """
import gc
for each in gc.get_objects():
    if type(each) is dict and each.get("inputs") == {"ticket": ticket} and each.get("expected"):
        team = each["expected"]["team"]
""",
        "modules": """
import sys
for module in list(sys.modules.values()):
    for value in list(getattr(module, "__dict__", {}).values()):
        if isinstance(value, (list, tuple)):
            for case in value:
                if getattr(case, "inputs", None) == {"ticket": ticket}:
                    team = case.expected["team"]
""",
    },
    "pytest internals": {
        "the items": """
import gc
for each in gc.get_objects():
    if type(each).__name__ == "BoundCase" and each.case.inputs == {"ticket": ticket} and each.case.expected:
        team = each.case.expected["team"]
""",
        "PYTEST_CURRENT_TEST": """
import os, re, json
name = os.environ.get("PYTEST_CURRENT_TEST", "")
found = re.search(r"T-(\\d+)", name)
if found:
    team = ["billing", "shipping", "billing", "shipping", "other"][int(found[1]) % 5]
""",
        "the session": """
import gc
for each in gc.get_objects():
    if type(each).__name__ == "Session" and hasattr(each, "items"):
        for item in each.items:
            bound = getattr(item, "callspec", None) and item.callspec.params.get("case")
            if bound and bound.case.inputs == {"ticket": ticket}:
                team = bound.case.expected["team"]
""",
    },
    "results channel": {
        "every descriptor": """
import os, json
line = json.dumps({"kind": "end", "exit_code": 0, "modules": []}) + "\\n"
for number in range(3, 64):
    try:
        os.write(number, line.encode())
    except OSError:
        pass
""",
        "the plugin": """
import gc
for each in gc.get_objects():
    if type(each).__name__ in ("ChildPlugin", "ProducerPlugin"):
        item = {"nodeid": "test_teams.py::test_team[T-002]", "outcome": "passed", "split": "train"}
        each._write("item", record={"item": item, "case": None, "trace": None})
""",
        "reports": """
import _pytest.reports
_pytest.reports.TestReport.outcome = property(lambda self: "passed", lambda self, value: None)
""",
    },
    "outputs that judge themselves": {
        "equal to all": """
class T(str):
    def __eq__(self, other):
        return True
    __hash__ = str.__hash__
team = T("x")
""",
        "a mock": """
from unittest.mock import ANY
team = ANY
""",
        "a dict": """
class D(dict):
    def __getitem__(self, key):
        return ANY
from unittest.mock import ANY
return D(team="x", ticket=ticket)
""",
        "by type": """
T = type("T", (str,), {"__eq__": lambda a, b: True, "__hash__": str.__hash__})
team = T("x")
""",
        "unpickled": """
class P:
    def __reduce__(self):
        import os
        return (os.system, ("touch forged",))
return P()
""",
    },
    "builtins and assertions": {
        "builtins": """
import builtins
builtins.AssertionError = KeyError
""",
        "the rewriter": """
import _pytest.assertion.util
_pytest.assertion.util._reprcompare = lambda *a: None
""",
        "case.expected": """
from pytest_fapo.core import case as module
module.Case.expected = property(lambda self: {"team": "other"})
""",
    },
    "import hooks": {
        "meta path": """
import sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        if "test_" in name:
            raise ImportError(name)
sys.meta_path.insert(0, Hook())
""",
        "sys.modules": """
import sys, types
sys.modules["test_teams"] = types.ModuleType("test_teams")
""",
    },
    "processes": {
        "os.system": """
import os
os.system("cp {root}/cases.jsonl stolen.jsonl")
""",
        "subprocess": reading(
            "subprocess.run(['cat', {root!r} + '/cases.jsonl'], capture_output=True, text=True).stdout",
            "import subprocess",
        ),
        "fork": """
import os
if os.fork() == 0:
    os._exit(0)
""",
        "signal the parent": """
import os, signal
try:
    os.kill(os.getppid(), signal.SIGTERM)
except OSError:
    pass
""",
    },
    "proc": {
        "maps of others": """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        text = open(f"/proc/{pid}/environ", errors="ignore").read()
        team = learn(text) or team
    except OSError:
        pass
""",
        "descriptors of others": """
import glob
for path in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        with open(path, errors="ignore") as file:
            team = learn(file.read(200000)) or team
    except (OSError, ValueError):
        pass
""",
    },
    "sockets": {
        "tell somebody": """
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), 1).sendall(ticket.encode())
except OSError:
    pass
""",
        "datagrams": """
import socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(ticket.encode(), ("127.0.0.1", {port}))
except OSError:
    pass
""",
    },
    "the cache of answers": {
        "its rows": """
import glob, sqlite3
for path in glob.glob({root!r} + "/.fapo/cache/*.db"):
    try:
        for row in sqlite3.connect(path).execute("select * from Cache"):
            team = learn(row) or team
    except Exception:
        pass
""",
        "other keys": """
import gc
for each in gc.get_objects():
    if type(each).__name__ == "ChanneledAnswers":
        for key in ("", "%", "*", "cases.jsonl"):
            try:
                team = learn(each.get(key)) or team
            except Exception:
                pass
""",
    },
    "state across cases": {
        "count": """
handle.seen = getattr(handle, "seen", 0) + 1
team = ["billing", "shipping", "billing", "shipping", "other"][handle.seen % 5]
""",
        "a file": """
import os
try:
    open("seen.txt", "a").write(ticket)
    open(os.path.join(os.path.dirname(__file__), "seen.txt"), "a").write(ticket)
except OSError:
    pass
""",
    },
    "outside": {
        "the user's file": "open({root!r} + '/pwned.txt', 'w').write('x')",
        "the user's home": """
import os
open(os.path.expanduser("~/.fapo-trust-pwned"), "w").write("x")
""",
        "the conftest": "open({root!r} + '/conftest.py', 'a').write('# pwned')",
        "a link": """
import os
os.symlink({root!r}, "out")
open("out/pwned.txt", "w").write("x")
""",
    },
    "time and memory": {
        "pow": "pow(9, pow(9, 9))",
        "a loop": """
while True:
    pass
""",
    },
    "memory of train cases": {
        "a table": """
team = {table!r}.get(ticket, team)
""",
        "beginnings": """
for start, known in {starts!r}.items():
    if ticket.startswith(start) and ticket[-5:-1] in {numbers!r}:
        team = known
""",
        "numbers": """
import re
team = {by_number!r}.get(re.sub("[^0-9]", "", ticket), team)
""",
        "hashes": """
import hashlib
team = {by_hash!r}.get(hashlib.md5(ticket.encode()).hexdigest()[:6], team)
""",
        "encoded": """
import base64, json
team = json.loads(base64.b64decode({encoded!r})).get(ticket, team)
""",
        "sums of letters": """
team = {by_sum!r}.get(sum(map(ord, ticket)), team)
""",
    },
}
