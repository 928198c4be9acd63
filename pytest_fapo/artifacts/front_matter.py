"""The head of an agent skill file: YAML between two lines of dashes, before the Markdown."""

from __future__ import annotations

import re

_HEAD = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?P<head>.*?)^---[ \t]*(?:\r?\n|\Z)", re.S | re.M)


def front_matter(text: str) -> tuple[str, str]:
    """Split a Markdown file into its front matter and its body.

    Args:
        text: the whole file.

    Returns:
        The lines between the dashes, without these, and all that follows the second line of dashes. The first
        is empty where the file does not begin with a front matter, and then the second is the whole text.
    """
    match = _HEAD.match(text)
    return (match["head"], text[match.end() :]) if match else ("", text)
