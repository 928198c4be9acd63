"""Check that no labeled case is in a prompt or in code: plain, encoded or as an example.

`standing_leaks` asks the same of a project's prompts as they are, whoever wrote the cases there.
"""

from __future__ import annotations

import ast
import base64
import binascii
import codecs
import html
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence, Set
from urllib.parse import unquote

from pytest_fapo.core.candidate import Artifact, ReviewProblem
from pytest_fapo.core.case import Case
from pytest_fapo.core.demonstration_file import read_examples
from pytest_fapo.review.code.proposed_function import NotAFunction, parse_source
from pytest_fapo.review.leakage.added_text import AddedText, words_of
from pytest_fapo.review.leakage.case_corpus import CaseCorpus, LeakHit, corpus_of
from pytest_fapo.review.leakage.leak_detectors import DETECTORS, Leak, answer_lists, leaks
from pytest_fapo.review.review_subject import EditedText, ReviewSubject

_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,6}")

_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :,]?){6,}")

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{3}))")

_NUMBERS = re.compile(r"(?:\b\d{2,3}\b[ ,;]*){6,}")

_LIKE = str.maketrans(
    "асеорхуіѕјԁһӏпгтквмАВЕКМНОРСТХІЅЈαορνικτγεΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aceopxyisjdhlnrtkbmABEKMHOPCTXISJaopviktyeABEZHIKMNOPTYX",
)

_LEET = str.maketrans("0134578@$", "oleastbas")

_LONGEST = 40_000


def decoded(text: str) -> Iterator[str]:
    """Other readings of `text`, those that differ from it; a text without a code gives few or none."""
    text = text[:_LONGEST]
    seen = {text}
    for reading in _READINGS:
        found = reading(text)
        if found.strip() and found not in seen:
            seen.add(found)
            yield found


def _tokens(text: str, pattern: re.Pattern[str], decode: Callable[[str], bytes]) -> str:
    """Return the decoded runs of a code's letters, as far as they are text; a line each, and all of them in
    one.
    """
    found = []
    for match in pattern.finditer(text):
        try:
            plain = decode(match[0]).decode("utf-8")
        except (ValueError, binascii.Error):
            continue
        if len(plain) > 3 and sum(map(str.isprintable, plain)) >= 0.9 * len(plain):
            found.append(plain)
    return "\n".join([*found, " ".join(found)]) if found else ""


def _base64(token: str) -> bytes:
    bare = token.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(bare + "=" * (-len(bare) % 4))


def _base32(token: str) -> bytes:
    bare = token.rstrip("=").upper()
    return base64.b32decode(bare + "=" * (-len(bare) % 8))


def _hex(token: str) -> bytes:
    return bytes.fromhex(re.sub(r"[^0-9a-fA-F]", "", token))


def _numbers(text: str) -> str:
    runs = (match[0] for match in _NUMBERS.finditer(text))
    return "\n".join("".join(chr(int(n)) for n in re.findall(r"\d+", run) if int(n) > 31) for run in runs)


def _escapes(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1] or m[2] or m[3], 8 if m[3] else 16)), text)


def _words_backwards(text: str) -> str:
    return " ".join(word[::-1] for word in text.split())


_READINGS: tuple[Callable[[str], str], ...] = (
    lambda text: text[::-1],
    _words_backwards,
    lambda text: codecs.encode(text, "rot13"),
    lambda text: text.translate(_LIKE),
    lambda text: text.translate(_LEET),
    html.unescape,
    unquote,
    _escapes,
    _numbers,
    lambda text: _tokens(text, _TOKEN, _base64),
    lambda text: _tokens(text, _TOKEN, _base32),
    lambda text: _tokens(text, _HEX, _hex),
)

_ASKED = ("example", "demonstration", "sample", "input", "question", "q", "text", "message", "query", "user")

_GIVEN = ("output", "answer", "a", "label", "reply", "response", "assistant", "result", "expected")

_ARROW = re.compile(r"^.{8,}(?:->|→|=>).{1,80}$", re.MULTILINE)


def demonstrations(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """The candidate's quoted cases are of train, declared and few; examples are wanted at all."""
    settings, candidate = subject.settings, subject.candidate
    if candidate.demonstrations and settings.demonstrations != "train":
        yield _problem(
            f'The candidate quotes cases as examples, and [tool.fapo] demonstrations is "'
            f'{settings.demonstrations}"; make examples up, or leave them out.'
        )
        return
    train = {case.id for case in subject.cases if case.split == "train"}
    unknown = [name for name in candidate.demonstrations if name not in train]
    if unknown:
        yield _problem(
            f"{len(unknown)} of the cases that the candidate quotes are not in train; "
            f"quote train cases only, and name them by their ids."
        )
    most = settings.max_demonstrations
    for change in subject.changes:
        if change.holds_examples:
            yield from _file_of_examples(change, subject)
        if change.artifact.level != "prompt":
            continue
        new = examples(change.after, subject) - examples(change.before, subject)
        if settings.demonstrations == "off" and new > 1:
            yield _problem(
                f"{change.address}: the edit adds {new} examples, and [tool.fapo] demonstrations is "
                f'"off"; state the rule in words.',
                change.address,
            )
        total = max(examples(change.after, subject), _quoted_count(change.after, subject))
        if new > 0 and total > most:
            yield _problem(
                f"{change.address}: the new text holds {total} examples; at most {most} pass "
                f"([tool.fapo] max_demonstrations).",
                change.address,
            )
    if len(set(candidate.demonstrations)) > most:
        yield _problem(
            f"The candidate quotes {len(set(candidate.demonstrations))} cases; at most {most} pass "
            f"([tool.fapo] max_demonstrations)."
        )


def _file_of_examples(change: EditedText, subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """Only train cases are shown as turns, one a line, and all are declared."""
    if subject.settings.demonstrations != "train":
        yield _problem(
            f"{change.address}: turns show train cases, and [tool.fapo] demonstrations is "
            f'"{subject.settings.demonstrations}"; set it to "train", or leave them out.',
            change.address,
        )
        return
    try:
        shown = read_examples(change.after)
    except ValueError as error:
        yield _problem(f"{change.address}: {error}; give one example a line.", change.address)
        return
    named, most = len(set(subject.candidate.demonstrations)), subject.settings.max_demonstrations
    if len(shown) > most:
        yield _problem(
            f"{change.address}: {len(shown)} examples; at most {most} pass ([tool.fapo] max_demonstrations).",
            change.address,
        )
    elif len(shown) > named:
        yield _problem(
            f"{change.address}: {len(shown)} examples, and the candidate names {named} train cases that it "
            f"quotes; show nothing else.",
            change.address,
        )


def quotable(subject: ReviewSubject) -> set[int]:
    """`id()` of the cases that the candidate may quote in prompts."""
    if subject.settings.demonstrations != "train":
        return set()
    named = set(subject.candidate.demonstrations)
    return {id(case) for case in subject.cases if case.split == "train" and case.id in named}


def examples(text: str, subject: ReviewSubject) -> int:
    """Return the number of examples a prompt seems to hold: lines of input followed by the answer."""
    asked = {*_ASKED, *(name for case in subject.cases for name in _keys(case.inputs))}
    given = {*_GIVEN, *(name for case in subject.cases for name in _keys(case.expected))}
    pairs = min(_beginnings(asked, text), _beginnings(given, text))
    return pairs or len(_ARROW.findall(text)) // 2


def _keys(value: object) -> list[str]:
    return [str(key).lower() for key in value] if isinstance(value, dict) else []


def _beginnings(names: Set[str], text: str) -> int:
    """Return the lines that begin with one of the names, a number maybe, and a colon or dash."""
    words = "|".join(re.escape(name) for name in sorted(names))
    return len(re.findall(rf"(?im)^[^A-Za-z\n]{{0,12}}(?:{words})[ \t]*\d*[^\w\n]{{0,4}}[:\-–—>]", text))


def _quoted_count(text: str, subject: ReviewSubject) -> int:
    """Return the number of declared cases whose text is in the prompt."""
    named = set(subject.candidate.demonstrations)
    added = AddedText(text, [])
    return sum(_input_occurs_in(added, case) for case in subject.cases if case.id in named)


def _input_occurs_in(added: AddedText, case: Case) -> bool:
    return any(added.has(field.words) for field in CaseCorpus([case]).inputs)


def _problem(message: str, address: str = "") -> ReviewProblem:
    return ReviewProblem(check="demonstrations", message=message, address=address)


MOST_LINES = 8


def leakage(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """No case id, literal answer, copied input or table of answers is brought in."""
    changes = [change for change in subject.changes if change.artifact.kind != "param"]
    if not subject.cases or not changes:
        return
    for change in changes:
        for leak in _leaks(change, subject):
            # What is read of code is not the code line by line.
            lines = leak.lines if change.artifact.kind != "function" and not change.holds_examples else []
            yield ReviewProblem(
                check="leakage",
                message=f"{change.address}{_at(lines)}: {leak.message}",
                address=change.address,
                lines=lines,
            )


def _at(lines: list[int]) -> str:
    """Return the location in the new text: the proposer knows its own text, so this reveals no case."""
    if not lines:
        return ""
    shown = ", ".join(map(str, lines[:MOST_LINES])) + (" and more" if len(lines) > MOST_LINES else "")
    return f" (line{'s' if len(lines) > 1 else ''} {shown} of the new text)"


def _leaks(change: EditedText, subject: ReviewSubject) -> Iterator[Leak]:
    corpus = subject.corpus
    allowed = quotable(subject) if change.artifact.kind != "function" else set()
    known = [*subject.known_texts, *(" ".join(label) for label in corpus.labels), change.before]
    text = _readable(change)
    added = AddedText(text, known)
    found = [*leaks(added, corpus, allowed), *answer_lists(added, corpus)]
    yield from found
    if not found:
        yield from _hidden(text, known, corpus, allowed)


def _hidden(text: str, known: list[str], corpus: CaseCorpus, allowed: Set[int]) -> Iterator[Leak]:
    """Yield the leaks for a reader who decodes."""
    plain = set(words_of(text))
    for reading in decoded(text):
        if any(len(word) > 3 and word not in plain for word in corpus.cases_with.keys() & words_of(reading)):
            for leak in leaks(AddedText(reading, known), corpus, allowed):
                yield Leak(f"(decoded) {leak.message}", [])
                return


def _readable(change: EditedText) -> str:
    """Return the readable part of a text; of code, its strings, tables and comments."""
    if change.holds_examples:
        try:
            return "\n".join(text for each in read_examples(change.after) for text in each.values())
        except ValueError:
            return change.after
    if change.artifact.kind != "function":
        return change.after
    try:
        parse_source(change.after, change.artifact.name.rpartition(".")[2])
    except NotAFunction:
        return change.after
    return code_as_text(change.after)


def standing_leaks(
    artifacts: Sequence[Artifact], cases: Sequence[Case]
) -> Iterator[tuple[Artifact, LeakHit]]:
    """Yield the prompts that hold a case's id, input or answer, once for each case.

    Names of labels that many cases share are no answer of one of them.

    Args:
        artifacts: texts of the project.
        cases: of all splits.
    """
    corpus = corpus_of(cases)
    labels = [" ".join(label) for label in corpus.labels]
    for artifact in artifacts:
        added = AddedText(artifact.text, labels)
        told: set[int] = set()
        for hit in (hit for detector in DETECTORS for hit in detector.find(added, corpus)):
            if id(hit.case) not in told:
                told.add(id(hit.case))
                yield artifact, hit


def code_as_text(source: str) -> str:
    """Return the code's words, one line for each string, comment, and entry of a table."""
    tree = ast.parse(source)
    lines = list(_strings(tree))
    lines += [f"{left} -> {right}" for left, right in _tables(tree) if left and right]
    lines += _comments(source)
    # A long name is a text, too.
    lines += {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id.count("_") >= 3}
    return "\n".join(lines)


def _strings(tree: ast.AST) -> Iterator[str]:
    """Yield every string; the largest of those that are put together from written-out parts."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        value = _value(node) if isinstance(node, ast.expr) else None
        if value is not None:
            yield value
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _value(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _value(node.left), _value(node.right)
        return left + right if left is not None and right is not None else None
    if isinstance(node, ast.JoinedStr):
        parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
        return "".join(map(str, parts)) if len(parts) == len(node.values) else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
        glue, given = _value(node.func.value), node.args[0] if len(node.args) == 1 else None
        if glue is not None and isinstance(given, (ast.List, ast.Tuple)):
            texts = [text for each in given.elts if (text := _value(each)) is not None]
            return glue.join(texts) if len(texts) == len(given.elts) else None
    return None


def _tables(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield keys and values: entries of dicts, pairs, keywords, branches with their results."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None:
                    yield _words(key), _words(value)
        elif isinstance(node, (ast.If, ast.IfExp)):
            body = node.body if isinstance(node.body, list) else [node.body]
            yield _words(node.test), " ".join(map(_words, body))
        elif isinstance(node, ast.match_case):
            yield _words(node.pattern), " ".join(map(_words, node.body))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            yield _words(node.elts[0]), _words(node.elts[1])
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, _value(node.value) or ""


def _words(node: ast.AST) -> str:
    return " ".join(_strings(node))


def _comments(source: str) -> Iterator[str]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.string.lstrip("# ")
    except (tokenize.TokenError, IndentationError):
        return
