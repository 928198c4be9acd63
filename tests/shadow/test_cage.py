"""A caged evaluation reaches nothing outside: what a watched one does, a caged one is refused."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.shadow_project import Project, all_passed, outcomes

from pytest_fapo.loop.candidate_cage import missing_locks
from pytest_fapo.shadow import child_launch, child_process
from pytest_fapo.shadow.connections import MOST_PROCESSES
from pytest_fapo.shadow.evaluation_request import CageRules, EvaluationRequest
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

pytestmark = pytest.mark.skipif(bool(missing_locks()), reason=f"no {', '.join(missing_locks())} here")

PROLOGUE = """
    import ctypes, json, os, resource, signal, socket, subprocess, sys, threading
    from pathlib import Path

    OUT = json.loads(Path(__file__).with_name("outside.json").read_text())
    LIBC = ctypes.CDLL(None, use_errno=True)

    def of_libc(result):
        if result < 0:
            raise OSError(ctypes.get_errno(), "refused")

    def connect(host, port, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        with socket.socket(family, kind) as one:
            one.settimeout(5)
            one.connect((host, port))
"""

REACHES = {
    "read a file": "Path(OUT['secret']).read_text()",
    "read a file by its folder": "os.open('secret.txt', 0, dir_fd=os.open(OUT['folder'], 0))",
    "read a file by libc": "of_libc(LIBC.open(OUT['secret'].encode(), 0))",
    "list a folder": "os.listdir(OUT['folder'])",
    "write a file": "Path(OUT['folder'], 'new').write_text('x')",
    "write a file by libc": "of_libc(LIBC.creat(OUT['folder'].encode() + b'/new', 0o600))",
    "cut a file": "os.truncate(OUT['secret'], 0)",
    "remove a file": "os.unlink(OUT['victim'])",
    "rename a file": "os.rename(OUT['other_victim'], OUT['victim'] + '2')",
    "make a folder": "os.mkdir(OUT['folder'] + '/made')",
    "link a file": "os.link(OUT['secret'], 'linked')",
    "read through a link": "(os.symlink(OUT['secret'], 'soft'), open('soft').read())",
    "map a file": "LIBC.open(OUT['secret'].encode(), 2) >= 0 or of_libc(-1)",
    "read the environment of the parent": "Path(f'/proc/{OUT[\"pid\"]}/environ').read_bytes()",
    "read the memory of the parent": "open(f'/proc/{OUT[\"pid\"]}/mem', 'rb')",
    "start a program": "subprocess.run(['/bin/true'], check=True)",
    "start a shell": "of_libc(-1 if os.system('true') else 0)",
    "start a program quickly": "os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)",
    "start Python": "subprocess.run([sys.executable, '-c', ''], check=True)",
    "connect": "connect('127.0.0.1', OUT['other'])",
    "connect by IPv6": "connect('::ffff:127.0.0.1', OUT['other'], socket.AF_INET6)",
    "send a datagram": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', OUT['other']))",
    "connect by sending": "socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', OUT['other']))",
    "connect to a Unix socket": "socket.socket(socket.AF_UNIX).connect(OUT['unix'])",
    "send a datagram to a Unix socket": "send(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))",
    "send a datagram by a pair": "send(socket.socketpair(type=socket.SOCK_DGRAM)[0])",
    "take the port for its own": "listen_and_connect('127.0.0.2', OUT['other'])",
    "connect to an abstract socket": "socket.socket(socket.AF_UNIX).connect(OUT['abstract'])",
    "connect in a thread": "thread_result(lambda: connect('127.0.0.1', OUT['other']))",
    "connect in a fork": "fork_result(lambda: connect('127.0.0.1', OUT['other']))",
    "read in a fork": "fork_result(lambda: Path(OUT['secret']).read_text())",
    "look into another process": "of_libc(LIBC.ptrace(0x4206, OUT['pid'], 0, 0))",
    "signal another process": "os.kill(OUT['pid'], 0)",
    "leave the group": "fork_result(lambda: (os.setsid(), of_libc(-(os.getsid(0) != os.getpid()))))",
    "make a namespace": "fork_result(lambda: of_libc(LIBC.unshare(0x10000000)))",
    "limit another process": "resource.prlimit(OUT['pid'], resource.RLIMIT_CORE, (0, 0))",
    "slow another process down": "os.setpriority(os.PRIO_PROCESS, OUT['pid'], 19)",
    "bind another process": "os.sched_setaffinity(OUT['pid'], os.sched_getaffinity(0))",
    "change a file's mode": "os.chmod(OUT['secret'], 0o600)",
    "change the mode of a file that is read": "os.chmod(OUT['readable'], 0o600)",
    "change the mode by a descriptor": "os.fchmod(os.open(OUT['readable'], 0), 0o600)",
    "change the mode by a link": "(os.symlink(OUT['readable'], 'to'), os.chmod('to', 0o600))",
    "change a file's owner": "os.chown(OUT['readable'], os.getuid(), os.getgid())",
    "change a file's times": "os.utime(OUT['readable'])",
    "change the times by a descriptor": "os.utime(os.open(OUT['readable'], 0))",
    "write to a terminal": "open(OUT['terminal'], 'w').write('x')",
    "list the devices": "os.listdir('/dev')",
    "leave shared memory": "Path(f'/dev/shm/fapo-{os.getpid()}').touch()",
    "share memory by a key": "share()",
    "start a program from memory": "of_libc(LIBC.memfd_create(b'x', 0))",
    "take all memory": "bytearray(3 << 30)",
    "write a huge file": "os.truncate(os.open('huge', os.O_CREAT | os.O_RDWR), 5 << 30)",
}  # fmt: skip

HELPERS = """
    def send(one):
        one.sendmsg([b"x"], [], 0, OUT["datagrams"])

    def listen_and_connect(host, port):
        with socket.socket() as own:
            own.bind((host, port))
            own.listen()
            connect("127.0.0.1", port)

    def share():
        number = LIBC.shmget(0, 4096, 0o1600)
        of_libc(number)
        LIBC.shmctl(number, 0, None)

    def thread_result(action):
        found = []
        def work():
            try:
                action()
            except BaseException as error:
                found.append(error)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if found:
            raise found[0]

    def fork_result(action):
        child = os.fork()
        if child == 0:
            try:
                action()
            except BaseException:
                os._exit(1)
            os._exit(0)
        of_libc(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[dict[str, object]]:
    """Things outside of the project that a process could reach."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("secret")
    (folder / "victim.txt").write_text("victim")
    (folder / "other.txt").write_text("other victim")
    (folder / "readable.txt").write_text("readable")
    terminal, other_end = os.openpty()
    other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with (
        socket.socket() as listening,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
    ):
        listening.bind(("127.0.0.1", 0))
        unix.bind(str(folder / "s"))
        datagrams.bind(str(folder / "d"))
        abstract.bind(f"\0fapo-test-{os.getpid()}")
        for each in (listening, unix, abstract):
            each.listen(50)
        yield {
            "folder": str(folder),
            "secret": str(folder / "secret.txt"),
            "victim": str(folder / "victim.txt"),
            "other_victim": str(folder / "other.txt"),
            "readable": str(folder / "readable.txt"),
            "unix": str(folder / "s"),
            "datagrams": str(folder / "d"),
            "terminal": os.ttyname(other_end),
            "abstract": f"\0fapo-test-{os.getpid()}",
            "other": listening.getsockname()[1],
            "pid": other.pid,
        }
    other.communicate()
    for descriptor in (terminal, other_end):
        os.close(descriptor)


def tries(outside: dict[str, object]) -> dict[str, str | bytes]:
    """Tests each of which passes where one way out is open."""
    words = str.maketrans(" '", "__")
    tests = [f"def test_{name.translate(words)}():\n    {action}\n" for name, action in REACHES.items()]
    code = "".join(map(textwrap.dedent, (PROLOGUE, HELPERS))) + "\n" + "\n".join(tests)
    return {"test_try.py": code.encode(), "outside.json": json.dumps(outside).encode()}


def test_every_way_out_is_open_when_watched_and_shut_when_caged(
    project: Project, outside: dict[str, object], tmp_path: Path
) -> None:
    project.write(tries(outside))
    mode = os.stat(str(outside["readable"])).st_mode
    caged = outcomes(project.evaluate(cage=CageRules(memory=1 << 30, read=[str(outside["readable"])])))
    assert [name for name, outcome in caged.items() if outcome == "passed"] == []
    assert len(caged) == len(REACHES)
    assert (tmp_path / "outside/secret.txt").read_text() == "secret"
    files = ["d", "other.txt", "readable.txt", "s", "secret.txt", "victim.txt"]
    assert sorted(os.listdir(tmp_path / "outside")) == files
    assert os.stat(str(outside["readable"])).st_mode == mode
    watched = outcomes(project.evaluate())
    assert {name: outcome for name, outcome in watched.items() if outcome != "passed"} == {}


def test_what_the_unpatched_tree_did_a_candidate_may_do(project: Project, outside: dict[str, object]) -> None:
    wanted = """
        def test_reads(): assert Path(OUT['secret']).read_text() == "secret"
        def test_starts(): subprocess.run(["true"], check=True)
        def test_connects(): connect("127.0.0.1", OUT["other"])
        def test_connects_by_name(): connect("localhost", OUT["other"])
    """
    code = textwrap.dedent(PROLOGUE) + textwrap.dedent(wanted)
    project.write({"test_try.py": code.encode(), "outside.json": json.dumps(outside)})
    watched = project.evaluate()
    assert set(outcomes(watched).values()) == {"passed"}
    reach = [line.partition(" ")[::2] for line in watched.reach]
    rules = CageRules(
        connect=[what for kind, what in reach if kind == "connect"],
        programs=[what for kind, what in reach if kind == "program"],
        read=[what for kind, what in reach if kind == "read"],
    )
    assert rules.read == [outside["secret"]]
    assert set(outcomes(project.evaluate(cage=rules)).values()) == {"passed"}
    refused = project.evaluate(cage=rules.model_copy(update={"connect": ["127.0.0.1:1"]}))
    assert f"refused: connecting to 127.0.0.1:{outside['other']}" in refused.notes


def test_what_is_a_tests_own_goes_on_in_a_cage(project: Project) -> None:
    project.write({
        "data/words.txt": "one two",
        "test_own.py": """
            import asyncio, concurrent.futures, http.server, multiprocessing, os, shutil, socket, sqlite3
            import tempfile, threading, urllib.request
            from pathlib import Path

            import pytest

            def test_files(tmp_path):
                assert Path("data/words.txt").read_text() == "one two"
                (tmp_path / "x").write_text("x")
                Path("made.txt").write_text("y")
                with tempfile.NamedTemporaryFile() as file:
                    file.write(b"z")
                Path("made.txt").chmod(0o640)
                os.utime("made.txt", (1, 2))
                made = Path("made.txt").stat()
                assert (made.st_mode & 0o777, made.st_mtime) == (0o640, 2)
                with open("made.txt") as file:
                    os.fchmod(file.fileno(), 0o600)
                    os.utime(file.fileno(), ns=(3, 4))
                    os.utime("made.txt", ns=(5, 6), dir_fd=os.open(".", 0))
                assert Path(shutil.copy2("made.txt", tmp_path)).stat().st_mtime_ns == 6
                Path("made.txt").touch()
                assert Path("made.txt").stat().st_mtime > 2
                with pytest.raises(FileNotFoundError):
                    os.chmod("nowhere.txt", 0o600)
                sqlite3.connect("own.db").execute("create table t (a)")

            def test_a_server_of_its_own():
                handler = http.server.SimpleHTTPRequestHandler
                server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
                threading.Thread(target=server.serve_forever, daemon=True).start()
                url = f"http://127.0.0.1:{server.server_address[1]}/data/words.txt"
                assert urllib.request.urlopen(url).read() == b"one two"
                server.shutdown()
                server.server_close()

            def test_a_unix_socket_of_its_own(tmp_path):
                with socket.socket(socket.AF_UNIX) as own, socket.socket(socket.AF_UNIX) as other:
                    own.bind("own")
                    own.listen()
                    other.connect("own")

            def test_an_event_loop():
                async def both():
                    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
                    host, port = server.sockets[0].getsockname()
                    reader, writer = await asyncio.open_connection(host, port)
                    assert await reader.read() == b""
                    writer.close()
                    server.close()
                asyncio.run(both())

            def test_threads_and_forks():
                with concurrent.futures.ThreadPoolExecutor(2) as pool:
                    assert list(pool.map(abs, [-1, 2])) == [1, 2]
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    assert pool.map(abs, [-1, 2]) == [1, 2]
        """,
    })  # fmt: skip
    watched = project.evaluate()
    assert "write /dev/shm" in watched.reach, "a pool of processes has a queue and its lock"
    caged = project.evaluate(cage=CageRules(write=["/dev/shm"]))
    assert set(outcomes(caged).values()) == {"passed"}, outcomes(caged)
    assert caged.notes == []


def test_processes_of_a_child_are_bounded_and_end_with_it(project: Project) -> None:
    project.write({
        "test_many.py": f"""
            import os, time
            def test_many():
                started = 0
                try:
                    for _ in range({MOST_PROCESSES + 50}):
                        if os.fork() == 0:
                            time.sleep(98762)
                            os._exit(0)
                        started += 1
                except BlockingIOError:
                    pass
                assert started == {MOST_PROCESSES - 1}
        """,
    })  # fmt: skip
    assert set(outcomes(project.evaluate(cage=CageRules())).values()) == {"passed"}
    words = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [each for each in words if os.fsencode(project.root) in each]


def test_a_child_that_fills_the_disk_is_ended(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write({"test_fill.py": "import time\ndef test_fill(): time.sleep(98762)\n"})
    free = iter([8 << 30, 5 << 30])
    disk = SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=next(free, 3 << 30)))
    monkeypatch.setattr(child_process, "shutil", disk)
    evaluation = project.evaluate(cage=CageRules())
    assert (
        evaluation.stopped == "the tests were ended: they took more than half of the room that the disk had"
    )


def test_credentials_that_the_project_has_no_use_for_are_not_there(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_TOKEN", "SHOP_PASSWORD", "OPENAI_API_KEY", "PLAIN_SETTING"):
        monkeypatch.setenv(name, "0123456789abcdef-x")
    project.write({
        "settings.ini": "password_from = SHOP_PASSWORD",
        "test_env.py": """
            import os
            def test_what_is_there():
                made = "_".join(["GITHUB", "TOKEN"])
                assert made not in os.environ
                assert {"SHOP_" + "PASSWORD", "OPENAI_API_KEY", "PLAIN_SETTING"} <= set(os.environ)
        """,
    })  # fmt: skip
    assert set(outcomes(project.evaluate(cage=CageRules())).values()) == {"passed"}
    assert "passed" not in outcomes(project.evaluate()).values()


def test_a_candidate_gets_no_credential_by_writing_its_name_down(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "0123456789abcdef-x")
    test = b"import os\n\ndef test_none(): assert 'GITHUB_TOKEN' not in os.environ\n"
    project.write({"test_env.py": "def test_none(): pass", "prompt.md": "Sort this."})
    files = {"prompt.md": b"Sort this by GITHUB_TOKEN.", "test_env.py": test}
    assert set(outcomes(project.evaluate(files, cage=CageRules())).values()) == {"passed"}


def test_no_file_of_the_copy_is_loaded_before_the_cage_is_closed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of a candidate that stand before modules of Python, of the SDKs and of ours on the path."""
    names = ["json", "select", "signal", "runpy", "ctypes", "platform", "socket", "struct", "resource"]
    names += ["sitecustomize", "usercustomize", "rich", "pydantic", "_pytest", "tempfile"]
    mark = tmp_path / "mark"
    module = f"try:\n    open({os.fspath(mark)!r} + __name__, 'w')\nexcept OSError:\n    pass\n1 / 0\n"
    project.write({"test_a.py": "import rich\ndef test_a(): pass\n"})
    monkeypatch.setenv("PYTHONPATH", f"{project.root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with ShadowTree.create(project.root) as shadow:
        assert all_passed(evaluate(shadow, EvaluationRequest()))
        for name in names:
            for fresh in (True, False):
                shadow.apply({f"{name}.py": module.encode()})
                request = EvaluationRequest(cage=CageRules(), watch=[f"{name}.py"], fresh=fresh, timeout=60)
                evaluate(shadow, request)
    with ShadowTree.create(project.root) as other:
        other.apply({"rich.py": module.encode()})
        evaluate(other, EvaluationRequest(cage=CageRules(), watch=["rich.py"], timeout=60))
    assert list(tmp_path.glob("mark*")) == []


def test_a_candidate_leaves_nothing_behind_for_the_next(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytecode of other modules, the store of the original files, and files above the copy."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setattr(child_launch, "interpreter", lambda: [sys.executable])
    project.write({"app.py": "X = 1\n", "test_a.py": "import app\ndef test_a(): assert app.X == 1\n"})
    planting = """
import marshal, pathlib
here = pathlib.Path(__file__).parent
code = marshal.dumps(compile("def test_a(): raise ValueError('planted')", "x", "exec"))
def put(path, data):
    try:
        path.write_bytes(data)
    except OSError:
        return
    print("planted", path)
for path in here.rglob("*.pyc"):
    put(path, path.read_bytes()[:16] + code)
for folder in here.parents:
    for path in (*folder.glob("*.bin"), folder / "conftest.py", folder / "pytest.ini", folder / "app.py"):
        put(path, b"raise ValueError('planted')")
X = 1
"""
    with ShadowTree.create(project.root) as shadow:
        assert all_passed(evaluate(shadow, EvaluationRequest()))
        (test,) = shadow.path.rglob("test_a*.pyc")
        before = test.read_bytes()
        kept = sorted(shadow.base.iterdir())
        shadow.apply({"app.py": planting.encode()})
        assert all_passed(evaluate(shadow, EvaluationRequest(cage=CageRules(), watch=["app.py"])))
        assert not test.exists() or test.read_bytes() == before
        assert sorted(shadow.base.iterdir()) == kept, "not even its own folder"
        shadow.restore()
        assert all_passed(evaluate(shadow, EvaluationRequest()))
        assert sorted(path.name for path in shadow.area.iterdir()) == [shadow.path.name]
