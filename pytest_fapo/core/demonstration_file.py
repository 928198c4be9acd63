"""Files of examples that functions show as turns: `demonstrations/<step>.jsonl` beside the module.

A line is one example: a JSON object of texts, `{"user": "...", "assistant": "..."}` or the fields of a
DSPy signature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

FOLDER = "demonstrations"

_SUFFIX = ".jsonl"


def is_demonstration_file(path: str) -> bool:
    """True if a path is one at which examples are kept."""
    pure = PurePosixPath(path)
    return pure.parent.name == FOLDER and pure.suffix == _SUFFIX


def demonstration_path(module: str, step: str) -> str:
    """Return the path of a step's examples, beside the file of the function that reads them."""
    name = re.sub(r"\W+", "_", step).strip("_") or "examples"
    return (PurePosixPath(module).parent / FOLDER / f"{name}{_SUFFIX}").as_posix()


def module_folder(path: str) -> str:
    """Return the folder of the modules that may read the examples at `path`; empty for the root."""
    folder = PurePosixPath(path).parent.parent.as_posix()
    return "" if folder == "." else folder


def write_examples(examples: Sequence[Mapping[str, str]]) -> str:
    """Return the text of a file, one example a line."""
    return "".join(json.dumps(example, ensure_ascii=False) + "\n" for example in examples)


def read_examples(text: str) -> list[dict[str, str]]:
    """Return the examples of a file; blank lines are passed over.

    Raises:
        ValueError: a line is not an example; the message names it.
    """
    examples = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            raise ValueError(f"line {number} is not JSON") from None
        if (
            not isinstance(value, dict)
            or len(value) < 2
            or not all(isinstance(each, str) for each in value.values())
        ):
            raise ValueError(
                f'line {number} is not an example: {{"user": "...", "assistant": "..."}} is expected'
            )
        examples.append(value)
    return examples
