"""The project's texts that reached a model, with their addresses: the scope for a project that has none."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.diagnosis.request_samples import SentRequests, constant_parts, squeezed
from pytest_fapo.source.addresses import all_paths
from pytest_fapo.source.project_texts import LocatedText, texts_in_file
from pytest_fapo.source.template_syntax import fixed_parts

_MOST_FILES, _MOST_BYTES, _ALL_BYTES = 4_000, 300_000, 64_000_000

_TEXT_FILES = (
    *(".md", ".txt", ".j2", ".jinja", ".jinja2", ".prompt", ".prompty", ".tmpl", ".mustache", ".xml"),
    *(".yaml", ".yml", ".json", ".toml"),
)

_NOT_A_PROMPT = re.compile(
    r"(?:^|/)(?:tests?|fapo-[^/]*|build|dist|node_modules)/|\.(?:egg|dist)-info/"
    r"|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.py$|(?:^|/)(?:package(?:-lock)?\.json|fapo-[^/]*)$"
)

_FEWEST_WORDS = 3
"""What is shorter is in a request by chance, unless it is a whole message or description."""

_COVERAGE = 0.6
"""Share of a text's literal parts that must be in a message: templates leave parts out."""

_LEFT_OVER = 5
"""Words of a constant part that is worth a line, where no text of the project holds it."""


@dataclass(frozen=True)
class SentText:
    """A text of the project that reached a model."""

    address: str
    text: str
    parts: tuple[str, ...]
    """The part of it that is the same in every request."""


@dataclass(frozen=True)
class LeftOver:
    """A constant part of a step's requests that no address reaches."""

    text: str
    line: str
    """`path:line` of the project where its words stand; empty where no file has them."""


@dataclass
class StepTexts:
    """Record of what one step sends."""

    step: str
    texts: list[SentText] = field(default_factory=list)
    left_over: list[LeftOver] = field(default_factory=list)


@dataclass(frozen=True)
class SentTexts:
    """Record of what all steps send."""

    steps: Sequence[StepTexts]

    @property
    def entries(self) -> list[str]:
        """Entries of the scope for all that can be edited."""
        texts = (text for step in self.steps for text in step.texts)
        return list(dict.fromkeys(_entry(text.address) for text in texts))


def _entry(address: str) -> str:
    """Return an address as an entry: brackets in its path are no pattern."""
    path, colons, name = address.partition("::")
    return re.sub(r"([*?\[])", r"[\1]", path) + colons + name


def find_sent_texts(root: Path, sent: SentRequests) -> SentTexts:
    """Find the texts of the project's files in what its steps sent.

    Files are those that git knows or would take, of kinds that hold prompts and of a size that people write;
    of Python first those that the run imported, and all only where that explains more of what was sent.

    Args:
        root: the project.
        sent: a sample of the requests of its steps.
    """
    found = _find(root, sent, sent.imported)
    if sent.imported and _unexplained(found):
        wider = _find(root, sent, [])  # a process of the pipeline's own has imported more
        return wider if _unexplained(wider) < _unexplained(found) else found
    return found


def _unexplained(found: SentTexts) -> int:
    return sum(len(part.text) for step in found.steps for part in step.left_over)


def _find(root: Path, sent: SentRequests, imported: Sequence[str]) -> SentTexts:
    requests = {step: [list(map(squeezed, each)) for each in many] for step, many in sent.steps.items()}
    known = {text for many in requests.values() for each in many for text in each}
    files = dict(_contents(root, _files(root, imported), _WordFilter(known)))
    texts = list(_texts(files))
    steps = [StepTexts(step) for step in requests]
    for step in steps:
        step.texts = _texts_of_step(requests[step.step], texts)
        left = _left_over(requests[step.step], step.texts)
        step.left_over = [LeftOver(text, _line_of(text, files)) for text in left]
    return SentTexts(steps)


def _files(root: Path, imported: Sequence[str]) -> Iterator[str]:
    """Yield the files that may hold prompts, those that the run imported first."""
    others = [path for path in _listed(root) if path.endswith((*_TEXT_FILES, *([] if imported else [".py"])))]
    paths = (path for path in (*imported, *others) if not _NOT_A_PROMPT.search(path))
    total = 0
    for _, path in zip(range(_MOST_FILES), dict.fromkeys(paths), strict=False):
        try:
            size = (root / path).stat().st_size
        except OSError:
            continue
        total += size if size <= _MOST_BYTES else 0
        if size <= _MOST_BYTES and total <= _ALL_BYTES:
            yield path


def _listed(root: Path) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return all_paths(root, limit=_MOST_FILES)
    return sorted({path for path in done.stdout.decode(errors="replace").split("\0") if path})


class _WordFilter:
    """Tells files that hold words of a request from all others, before they are parsed."""

    def __init__(self, texts: Iterable[str]) -> None:
        found = [re.findall(r"\w+", text) for text in texts]
        self._triples = {
            triple for words in found for triple in zip(words, words[1:], words[2:], strict=False)
        }
        self._short = [" ".join(words) for words in found if 0 < len(words) < _FEWEST_WORDS]

    def are_in(self, data: bytes) -> bool:
        words = re.findall(r"\w+", data.decode(errors="replace"))
        if any(triple in self._triples for triple in zip(words, words[1:], words[2:], strict=False)):
            return True
        whole = f" {' '.join(words)} " if self._short else ""
        return any(f" {short} " in whole for short in self._short)


def _contents(root: Path, paths: Iterable[str], words: _WordFilter) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files that share words with a request."""
    for path in paths:
        with suppress(OSError):
            data = (root / path).read_bytes()
            if words.are_in(data):
                yield path, data


def _texts(files: Mapping[str, bytes]) -> Iterator[LocatedText]:
    """Yield every text that can be edited."""
    for path, data in files.items():
        with suppress(ArtifactError):  # not of its format
            yield from texts_in_file(data, path)


def _texts_of_step(requests: Sequence[Sequence[str]], texts: Iterable[LocatedText]) -> list[SentText]:
    """Return the texts that a step sends: of Python in any of its requests, of other files in most.

    A file of which only some requests hold the text is what the pipeline has looked up: data, no prompt.
    """
    sent = [(request, "\n".join(request)) for request in requests]
    found: dict[str, SentText] = {}
    for text in texts:
        told = _sent_parts(text)
        hits = sum(_holds(request, joined, told) for request, joined in sent) if told else 0
        if hits and (_path(text.address).endswith(".py") or 2 * hits > len(requests)):
            parts = tuple(literal_parts(text.value))
            found.setdefault(text.address, SentText(text.address, text.value, parts))
    return [text for address, text in found.items() if "::" not in address or _path(address) not in found]


def _path(address: str) -> str:
    return address.partition("::")[0]


def _sent_parts(text: LocatedText) -> list[str]:
    """Return the parts that must be sent; of a docstring those of the description that it begins with."""
    begins = text.value.partition("\n\n")[0] if text.address.endswith("__doc__") else text.value
    return literal_parts(begins)


def literal_parts(text: str) -> list[str]:
    """Return what stands between a text's placeholders, line by line, white space squeezed."""
    lines = (line for part in fixed_parts(text) for line in part.split("\n"))
    return [part for line in lines if re.search(r"\w", part := squeezed(line))]


def _holds(request: Sequence[str], joined: str, parts: Sequence[str]) -> bool:
    """True if most of a text's literal parts are in a request."""
    if sum(len(part.split()) for part in parts) < _FEWEST_WORDS:
        return len(parts) == 1 and parts[0] in request
    return sum(len(part) for part in parts if part in joined) >= _COVERAGE * sum(map(len, parts))


def _left_over(requests: Sequence[Sequence[str]], texts: Sequence[SentText]) -> list[str]:
    """Return the constant parts of a step's requests without what the project's texts account for."""
    parts = sorted({part for text in texts for part in text.parts}, key=len, reverse=True)
    left: list[str] = []
    for constant in constant_parts(requests):
        for part in parts:
            if len(part) > 3:
                constant = constant.replace(part, "\0")
        left += [each.strip() for each in constant.split("\0") if len(re.findall(r"\w+", each)) >= _LEFT_OVER]
    return left


def _line_of(text: str, files: Mapping[str, bytes]) -> str:
    """Return where the first words of a text stand, as `path:line`; empty where they do not."""
    words = re.findall(r"\w+", text)[:_LEFT_OVER]
    pattern = re.compile(r"\W+".join(map(re.escape, words)).encode())
    for path, data in files.items():
        match = pattern.search(data)
        if match:
            return f"{path}:{data.count(bytes([10]), 0, match.start()) + 1}"
    return ""
