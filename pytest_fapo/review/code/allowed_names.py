"""The names that new code may always use: modules that reach nothing outside, builtins, plain attributes."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import datetime
import decimal
import difflib
import enum
import importlib
import io
import json
import logging
import pathlib
import random
import re
import string
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
    **dict.fromkeys(("difflib", "enum", "fractions", "heapq", "itertools", "math", "numbers", "re"), "*"),
    "functools": "partial partialmethod reduce wraps cmp_to_key cached_property lru_cache cache",
    "html": "escape unescape",
    "io": "StringIO",
    "json": "loads dumps JSONDecodeError JSONDecoder JSONEncoder",
    "json.decoder": "JSONDecodeError",
    "logging": "getLogger Logger LoggerAdapter DEBUG INFO WARNING ERROR CRITICAL",
    "operator": "add sub mul truediv floordiv mod neg and_ or_ not_ eq ne lt le gt ge contains itemgetter",
    "pprint": "pformat",
    "random": "random randint randrange choice choices sample shuffle uniform",
    "statistics": "*",
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits punctuation whitespace printable "
    "capwords Template",
    "textwrap": "*",
    "time": "monotonic perf_counter time sleep",
    "types": "SimpleNamespace MappingProxyType",
    "typing": "TYPE_CHECKING Annotated Any AsyncIterable AsyncIterator Awaitable Callable ClassVar "
    "Collection Coroutine Deque Dict Final Generator Generic Hashable Iterable Iterator List Literal Mapping "
    "MutableMapping NamedTuple NewType NoReturn NotRequired Optional ParamSpec Protocol Required Self "
    "Sequence Set Sized Tuple Type TypeAlias TypeGuard TypeVar TypedDict Union cast overload final",
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
    """
)
"""Beside these, all classes of exceptions that do not end the process."""

DUNDERS = frozenset(("__name__", "__init__"))

SAFE_METHODS = DUNDERS | _words("__post_init__ __len__ __iter__ __next__ __call__ __enter__ __exit__ __str__")
"""Special methods that a class may define: they decide nothing about what it is equal to."""

CHANGING = _words("append extend insert add update setdefault pop popitem remove discard clear sort")

NEVER_IMPORTED = frozenset(("pytest", "_pytest", "unittest", "conftest", "tests", "pytest_fapo"))

_PLAIN_KINDS: tuple[type, ...] = (
    *(str, bytes, bytearray, list, dict, set, frozenset, tuple, int, float, complex, range, slice, Exception),
    *(StopIteration, UnicodeError, json.JSONDecodeError, re.Pattern, re.Match, enum.Enum, random.Random),
    *(collections.Counter, collections.deque, collections.OrderedDict, collections.defaultdict),
    *(datetime.datetime, datetime.timedelta, decimal.Decimal, difflib.SequenceMatcher, string.Template),
    *(logging.Logger, io.StringIO, concurrent.futures.Future, concurrent.futures.ThreadPoolExecutor),
    *(asyncio.Task, pathlib.PurePath, *([asyncio.TaskGroup] if hasattr(asyncio, "TaskGroup") else [])),
)

RISKY_ATTRIBUTES = _words(
    """
    open read_text read_bytes write_text write_bytes unlink rmdir mkdir touch rename iterdir rglob glob
    symlink_to hardlink_to readlink tofile fromfile memmap urlopen popen Popen check_output check_call system
    fork read_csv read_json read_parquet read_pickle read_excel to_csv to_json to_pickle to_parquet loadtxt
    savetxt create_connection create_subprocess_exec create_subprocess_shell getenv putenv environ attrgetter
    methodcaller get_type_hints make_dataclass fromhex from_bytes to_bytes hex with_traceback get_stack
    print_stack addHandler handlers manager root parent mro
    f_back f_locals f_globals f_builtins f_code tb_frame tb_next gi_frame gi_code cr_frame cr_code ag_frame
    ag_code co_consts co_code
    """
)
"""Attributes that are never among the plain ones: what they reach lies outside of the function."""

PLAIN_ATTRIBUTES = (
    frozenset(name for kind in _PLAIN_KINDS for name in dir(kind) if not name.startswith("_"))
    | {"_asdict", "_replace", "value", "name", *DUNDERS}
) - RISKY_ATTRIBUTES


def safe_name(dotted: str) -> bool | None:
    """True if `module.name.name` stays inside a safe module; None where its root is no safe module.

    The real modules tell: `dataclasses.sys` and `json.codecs` are modules in disguise.
    """
    parts = dotted.split(".")
    if not any(name.split(".")[0] == parts[0] for name in SAFE_MODULES):
        return None
    heads = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    module = next((head for head in heads if head in SAFE_MODULES), None)
    if module is None:
        return any(name.startswith(f"{dotted}.") for name in SAFE_MODULES)
    rest = parts[module.count(".") + 1 :]
    if rest and SAFE_MODULES[module] != "*" and rest[0] not in SAFE_MODULES[module].split():
        return False
    value: object = importlib.import_module(module)
    for name in rest:
        value = getattr(value, name, None)
        if name.startswith("_") or isinstance(value, ModuleType):
            return False
    return True
