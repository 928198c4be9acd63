"""From the command line to the command; every error that a user can act on is one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from pytest_fapo.cli.console import Console
from pytest_fapo.cli.exit_codes import INTERRUPTED, NOTHING_DONE
from pytest_fapo.cli.parser import make_parser
from pytest_fapo.errors import FapoError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `fapo`; default: those of this process.

    Returns:
        the exit code, see `pytest_fapo.cli.exit_codes`.
    """
    options = make_parser().parse_args(arguments)
    console = Console(sys.stdout)
    module, _, name = options.run.partition(":")
    command: Callable[..., int] = getattr(import_module(f"pytest_fapo.cli.{module}"), name)
    try:
        return command(options, console)
    except FapoError as error:
        return _failed(str(error))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _failed(f"{place}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.stderr.write("\nfapo: interrupted\n")
        return INTERRUPTED
    finally:
        console.close()


def _failed(message: str) -> int:
    from pytest_fapo.report.terminal import encodable
    from pytest_fapo.terminal_output import said

    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    sys.stderr.write(encodable(f"fapo: {said(message)}\n", encoding))
    return NOTHING_DONE
