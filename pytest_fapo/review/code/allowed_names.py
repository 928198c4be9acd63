"""The names that rewritten code may always use: builtins, and modules that reach nothing outside of the
process.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from types import ModuleType

_ALL = "*"


def _words(text: str) -> list[str]:
    return text.split()


SAFE_MODULES: dict[str, str] = {
    "__future__": _ALL,
    "abc": "ABC abstractmethod",
    "ast": "literal_eval",
    "asyncio": "gather wait wait_for create_task as_completed TaskGroup Semaphore Lock timeout shield "
    "to_thread TimeoutError CancelledError FIRST_COMPLETED ALL_COMPLETED",
    "bisect": _ALL,
    "cmath": _ALL,
    "collections": _ALL,
    "collections.abc": _ALL,
    "concurrent.futures": "ThreadPoolExecutor as_completed wait Future TimeoutError",
    "contextlib": "contextmanager asynccontextmanager suppress nullcontext closing ExitStack AsyncExitStack",
    "copy": "copy deepcopy",
    "csv": "reader DictReader Error",
    "dataclasses": "dataclass field asdict astuple replace fields is_dataclass KW_ONLY InitVar MISSING",
    "datetime": _ALL,
    "decimal": _ALL,
    "difflib": _ALL,
    "enum": _ALL,
    "fractions": _ALL,
    "functools": "partial partialmethod reduce wraps cmp_to_key cached_property lru_cache cache",
    "heapq": _ALL,
    "html": "escape unescape",
    "io": "StringIO",
    "itertools": _ALL,
    "json": "loads dumps JSONDecodeError JSONDecoder JSONEncoder",
    "json.decoder": "JSONDecodeError",
    "logging": "getLogger Logger LoggerAdapter DEBUG INFO WARNING ERROR CRITICAL",
    "math": _ALL,
    "numbers": _ALL,
    "operator": "add sub mul truediv floordiv mod neg and_ or_ not_ eq ne lt le gt ge contains itemgetter",
    "pprint": "pformat",
    "random": "random randint randrange choice choices sample shuffle uniform",
    "re": _ALL,
    "statistics": _ALL,
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits punctuation whitespace printable "
    "capwords Template",
    "textwrap": _ALL,
    "time": "monotonic perf_counter time",
    "types": "SimpleNamespace MappingProxyType",
    "typing": "TYPE_CHECKING Annotated Any AsyncIterable AsyncIterator Awaitable Callable ClassVar "
    "Collection Coroutine Deque Dict Final Generator Generic Hashable Iterable Iterator List Literal Mapping "
    "MutableMapping NamedTuple NewType NoReturn NotRequired Optional ParamSpec Protocol Required Self "
    "Sequence Set Sized Tuple Type TypeAlias TypeGuard TypeVar TypedDict Union cast overload final "
    "no_type_check",
    "unicodedata": "normalize category combining name east_asian_width",
    "urllib.parse": "quote quote_plus urlencode urlsplit urlparse parse_qs parse_qsl urljoin",
    "warnings": "warn",
    "xml.etree.ElementTree": "fromstring XML Element ParseError",
}
"""Module to its names that may be used; `*` means all public ones that are not modules themselves."""

SAFE_BUILTINS = frozenset(
    _words(
        """
        abs aiter all anext any ascii bin bool bytearray bytes callable chr classmethod complex dict
        divmod enumerate filter float format frozenset getattr hasattr hex id int isinstance issubclass
        iter len list map max min next object oct ord pow print property range repr reversed round set
        slice sorted staticmethod str sum super tuple type zip True False None Ellipsis NotImplemented
        __debug__ __name__ __doc__ __package__
        """
    )
) | {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type)
    and issubclass(value, BaseException)
    and name not in ("SystemExit", "KeyboardInterrupt", "GeneratorExit")
}
"""`getattr`, `hasattr` and `type` only in the forms that `access` lets through."""

ALL_BUILTINS = frozenset(dir(builtins)) | {"__file__", "__path__", "__loader__", "__spec__", "__builtins__"}

RISKS: dict[str, str] = {
    **dict.fromkeys(
        _words(
            """
        os pathlib shutil tempfile glob fileinput io zipfile tarfile gzip bz2 lzma sqlite3 dbm shelve mmap
        linecache open read_text read_bytes write_text write_bytes unlink rmdir mkdir touch rename iterdir
        rglob symlink_to hardlink_to readlink tofile fromfile memmap __file__
        """
        ),
        "file access",
    ),
    **dict.fromkeys(
        _words(
            """
        subprocess multiprocessing signal pty posix nt _thread threading sched ctypes cffi system popen
        Popen check_output check_call fork spawn exit quit SystemExit KeyboardInterrupt breakpoint input
        """
        ),
        "process control",
    ),
    **dict.fromkeys(
        _words(
            """
        socket ssl http urllib requests httpx httpx2 aiohttp websockets ftplib smtplib imaplib poplib
        telnetlib xmlrpc socketserver paramiko boto3 openai anthropic litellm cohere mistralai google
        langchain urlopen webbrowser
        """
        ),
        "network access",
    ),
    **dict.fromkeys(("environ", "environb", "getenv", "putenv", "dotenv"), "environment access"),
    **dict.fromkeys(
        _words(
            """
        eval exec compile code codeop runpy importlib pkgutil zipimport __import__ __loader__ __spec__ imp
        pickle marshal dill cloudpickle joblib
        """
        ),
        "running code that is made up",
    ),
    **dict.fromkeys(
        _words(
            """
        globals locals vars dir setattr delattr inspect gc sys traceback types weakref symtable builtins
        help __builtins__ pytest _pytest pytest_fapo unittest doctest faulthandler tracemalloc atexit site
        """
        ),
        "looking into the running program",
    ),
    **dict.fromkeys(
        _words(
            """
        hash hashlib hmac zlib binascii base64 codecs crypt secrets struct array quopri uu memoryview
        """
        ),
        "hashing or encoding",
    ),
    "sleep": "waiting",
}
"""The risk of each name, as it is put in a message."""

MODULE_LIKE = frozenset(
    _words(
        """
        os _os sys _sys subprocess socket builtins importlib pathlib shutil ctypes inspect pickle marshal
        tempfile posix runpy multiprocessing gc linecache urllib httpx requests aiohttp pytest _pytest
        unittest atexit pkgutil codecs _codecs nt webbrowser
        """
    )
)
"""Attribute names by which modules are reached through other modules."""

FRAMES = frozenset(
    _words(
        """
        f_back f_locals f_globals f_builtins f_code tb_frame tb_next gi_frame gi_code cr_frame cr_code
        ag_frame ag_code func_globals co_consts co_code _getframe mro __traceback__
        """
    )
)
"""Attributes that lead to the call stack or into code objects."""

OUTSIDE_METHODS = frozenset(
    _words(
        """
        open read_text read_bytes write_text write_bytes unlink rmdir mkdir touch rename iterdir rglob
        symlink_to hardlink_to readlink tofile fromfile memmap urlopen popen Popen check_output check_call
        system fork read_csv read_json read_parquet read_pickle read_excel to_csv to_json to_pickle
        to_parquet loadtxt savetxt create_connection create_subprocess_exec create_subprocess_shell
        subprocess_exec getenv putenv environ sleep attrgetter methodcaller get_type_hints make_dataclass
        """
    )
)
"""Methods and functions that reach outside whatever object they are asked of."""

SENDING = frozenset(
    _words(
        """
        create acreate parse post stream complete acomplete completion acompletion generate agenerate invoke
        ainvoke chat request send predict respond generate_content converse
        """
    )
)
"""Methods by which clients ask a model."""

HARMLESS_DUNDERS = frozenset(
    _words(
        """
        __init__ __post_init__ __len__ __iter__ __next__ __call__ __enter__
        __exit__ __aenter__ __aexit__ __repr__ __str__ __version__
        """
    )
)


def names_of(module: str) -> str | None:
    """The names of a safe module that may be used, `*` for all; None where the module is not safe."""
    return SAFE_MODULES.get(module)


def is_safe_module(module: str) -> bool:
    """True if `module` may be imported, or leads to modules that may."""
    return module in SAFE_MODULES or any(name.startswith(module + ".") for name in SAFE_MODULES)


def safe_name(dotted: str) -> bool | None:
    """True if `module.name.name` stays inside a safe module; None where its root is no safe module.

    The real modules tell: `dataclasses.sys` and `json.codecs` are modules in disguise.
    """
    parts = dotted.split(".")
    if not any(name == parts[0] or name.startswith(parts[0] + ".") for name in SAFE_MODULES):
        return None
    module = next(
        (".".join(parts[:n]) for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in SAFE_MODULES), None
    )
    if module is None:
        return is_safe_module(dotted)
    rest = parts[len(module.split(".")) :]
    allowed = SAFE_MODULES[module]
    if rest and allowed != _ALL and rest[0] not in allowed.split():
        return False
    return _stays_inside(importlib.import_module(module), rest)


def _stays_inside(module: ModuleType, rest: list[str]) -> bool:
    value: object = module
    for name in rest:
        if name.startswith("_") and name not in HARMLESS_DUNDERS:
            return False
        value = getattr(value, name, None)
        if isinstance(value, ModuleType) and not value.__name__.startswith(f"{module.__name__}."):
            return False
    return True


def is_standard(root: str) -> bool:
    """True if `root` is a module of the standard library."""
    return root in sys.stdlib_module_names


def risk_of(*names: str) -> str:
    """Return the risk of the first known of these names."""
    return next((RISKS[name] for name in names if name in RISKS), "reaching outside of the function")
