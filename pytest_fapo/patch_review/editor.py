"""The person's own editor on a text of a change."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path, PurePosixPath

from pytest_fapo.errors import FapoError


def edited(text: str, address: str) -> str:
    """What the person makes of `text` in `$VISUAL`, `$EDITOR`, else in the system's plain editor.

    Args:
        text: what the editor opens with.
        address: of the artifact; gives the file its ending, so that the editor knows what it is.

    Raises:
        FapoError: there is no editor, it failed, or what it left is no UTF-8.
    """
    command = _command()
    path, _, name = address.partition("::")
    # A constant's value is text, whatever file it stands in; a parameter's and a function's are code.
    ending = (
        PurePosixPath(path).suffix if not name or text.lstrip().startswith(("def ", "async ", "@")) else ""
    )
    with tempfile.TemporaryDirectory(prefix="fapo-edit-") as folder:
        file = Path(folder) / f"{(name or PurePosixPath(path).stem).replace('.', '-')}{ending or '.txt'}"
        file.write_text(text, encoding="utf-8", newline="\n")
        _run([*command, str(file)])
        try:
            changed = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except (OSError, UnicodeDecodeError) as error:
            raise FapoError(f"{shlex.join(command)} left no text that can be read: {error}") from None
    # Most editors end the last line, where the text has no such end.
    return changed.removesuffix("\n") if not text.endswith("\n") else changed


def _command() -> list[str]:
    wanted = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if wanted:
        return shlex.split(wanted, posix=os.name == "posix")
    for name in ("nano", "vim", "vi", "notepad"):
        if shutil.which(name):
            return [name]
    raise FapoError("no editor was found: set $EDITOR to the one that you use")


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, check=False)
    except OSError as error:
        raise FapoError(f"{command[0]} cannot be started: {error.strerror or error}; set $EDITOR") from None
    if done.returncode:
        raise FapoError(f"{command[0]} ended with code {done.returncode}; your text was not taken")
