"""The names that new code may always use: modules that reach nothing outside, builtins, plain attributes."""

from __future__ import annotations

import builtins
import importlib
from pkgutil import resolve_name
from types import ModuleType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SAFE_MODULES: dict[str, str] = {
    "__future__": "*",
    "abc": "ABC abstractmethod",
    "ast": "literal_eval",
    "asyncio": "gather wait wait_for create_task as_completed TaskGroup Semaphore Lock timeout shield sleep "
    "to_thread TimeoutError CancelledError FIRST_COMPLETED ALL_COMPLETED",
    **dict.fromkeys(("bisect", "cmath", "collections", "collections.abc", "datetime", "decimal"), "*"),
    "concurrent.futures": "ThreadPoolExecutor as_completed wait Future TimeoutError",
    "contextlib": "contextmanager asynccontextmanager suppress nullcontext closing ExitStack AsyncExitStack",
    "copy": "copy deepcopy",
    "csv": "reader DictReader Error",
    "dataclasses": "dataclass field asdict astuple replace fields is_dataclass KW_ONLY InitVar MISSING",
    **dict.fromkeys(
        ("difflib", "enum", "fractions", "heapq", "itertools", "math", "numbers", "re", "typing"), "*"
    ),
    "functools": "partial partialmethod reduce wraps cmp_to_key cached_property lru_cache cache",
    "html": "escape unescape",
    "io": "StringIO",
    "json": "loads dumps JSONDecodeError JSONDecoder JSONEncoder",
    "json.decoder": "JSONDecodeError",
    "logging": "getLogger Logger LoggerAdapter DEBUG INFO WARNING ERROR CRITICAL",
    "operator": "add sub mul truediv floordiv mod neg and_ or_ not_ eq ne lt le gt ge contains itemgetter",
    "pathlib": "Path PurePath",
    "pprint": "pformat",
    "random": "random randint randrange choice choices sample shuffle uniform",
    "statistics": "*",
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits punctuation whitespace printable "
    "capwords Template",
    "textwrap": "*",
    "time": "monotonic perf_counter time sleep",
    "types": "SimpleNamespace MappingProxyType",
    "unicodedata": "normalize category combining name east_asian_width",
    "urllib.parse": "quote quote_plus urlencode urlsplit urlparse parse_qs parse_qsl urljoin",
    "warnings": "warn",
    "xml.etree.ElementTree": "fromstring XML Element ParseError",
}
"""Module to its names that may be used; `*` means all public ones that are not modules themselves."""

SAFE_BUILTINS = _words(
    """
    abs aiter all anext any ascii bool bytearray bytes callable chr classmethod complex dict divmod enumerate
    filter float format frozenset getattr hasattr int isinstance issubclass iter len list map max min next oct
    ord pow print property range repr reversed round set slice sorted staticmethod str sum super tuple type
    zip True False None Ellipsis NotImplemented __debug__ __name__
    __file__
    """
)
DUNDERS = frozenset(("__name__", "__init__"))

SAFE_METHODS = DUNDERS | _words("__post_init__ __len__ __iter__ __next__ __call__ __enter__ __exit__ __str__")
"""Special methods that a class may define: they decide nothing about what it is equal to."""

CHANGING = _words("append extend insert add update setdefault pop popitem remove discard clear sort")

NEVER_IMPORTED = frozenset(("pytest", "_pytest", "unittest", "conftest", "tests", "pytest_fapo"))

_PLAIN_KINDS = _words(
    """
    builtins.str builtins.bytes builtins.bytearray builtins.list builtins.dict builtins.set builtins.frozenset
    builtins.tuple builtins.int builtins.float builtins.complex builtins.range builtins.slice
    builtins.Exception builtins.StopIteration builtins.UnicodeError asyncio.Task collections.Counter
    collections.OrderedDict collections.defaultdict collections.deque concurrent.futures.Future
    concurrent.futures.ThreadPoolExecutor datetime.datetime datetime.timedelta decimal.Decimal
    difflib.SequenceMatcher enum.Enum io.StringIO json.JSONDecodeError logging.Logger pathlib.PurePath
    random.Random re.Match re.Pattern string.Template
    """
)

RISKY_ATTRIBUTES = _words(
    """
    open read_text read_bytes write_text write_bytes unlink rmdir mkdir touch rename iterdir rglob glob
    symlink_to hardlink_to readlink tofile fromfile memmap urlopen popen Popen check_output check_call
    system fork read_csv read_json read_parquet read_pickle read_excel to_csv to_json to_pickle to_parquet
    loadtxt savetxt create_connection create_subprocess_exec create_subprocess_shell getenv putenv environ
    attrgetter methodcaller get_type_hints evaluate_forward_ref make_dataclass fromhex from_bytes to_bytes
    hex with_traceback get_stack print_stack addHandler handlers manager root mro
    """
)
"""Attributes that are never among the plain ones: what they reach lies outside of the function."""

PLAIN_ATTRIBUTES = (
    frozenset(name for kind in _PLAIN_KINDS for name in dir(resolve_name(kind)) if not name.startswith("_"))
    | {"_asdict", "_replace", "value", "name", "create_task", "resolve", *DUNDERS}
) - RISKY_ATTRIBUTES


def offers(module: str, name: str) -> bool:
    """True if a safe module has that name, it may be used, and it is no other module in disguise."""
    names = SAFE_MODULES.get(module, "")
    if names != "*" or name in RISKY_ATTRIBUTES:
        return name in names.split()
    found = importlib.import_module(module)
    return not name.startswith("_") and not isinstance(getattr(found, name, found), ModuleType)


def is_safe_builtin(name: str) -> bool:
    """True for those of the list, and for errors that do not end the process."""
    value = getattr(builtins, name, None)
    return name in SAFE_BUILTINS or (isinstance(value, type) and issubclass(value, Exception))
