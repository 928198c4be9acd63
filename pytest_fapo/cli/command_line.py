"""From the command line to the command; every error that a user can act on is one line.
Standard library only until the command is known. Each help text answers "when would I want this?".
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from pytest_fapo import __version__
from pytest_fapo.cli.console import INTERRUPTED, NOTHING_DONE, CommandConsole
from pytest_fapo.core.errors import FapoError

_DESCRIPTION = "Set up a project; inspect, apply and undo runs. Tests are run and tuned with pytest itself."

_RUN = "RUN is the name of a run as `fapo runs` lists it, a beginning that no other run has, or `last`.\n"

_EPILOG = """\
Exit codes: 0 done, 1 nothing was done (the message says why), 2 the command line is wrong.
Works in the project's folder and in every folder below it."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; what it gives has the command to run in `run`, as `module:function`."""
    parser: argparse.ArgumentParser = _Parser(
        prog=_program(),
        description=_DESCRIPTION,
        epilog=_RUN + _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pytest-fapo {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_init(commands)
    _add_doctor(commands)
    _add_texts(commands)
    _add_cases(commands)
    _add_runs(commands)
    _add_changes(commands)
    _add_cache(commands)
    _add_gate(commands)
    _add_judge(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says what a mistyped command or option was likely meant to be; its subcommands have parsers like it."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (-\S+)", message)
        if wrong is not None and "did you mean" not in message:
            from pytest_fapo.core.text import did_you_mean

            message += did_you_mean(wrong[1] or wrong[2], self._known())
        super().error(message)

    def _known(self) -> list[str]:
        """The names of commands and options that stand on this command line or could follow it."""
        names = []
        for action in self._actions:
            names += [*action.option_strings, *map(str, action.choices or ())]
            if isinstance(action, argparse._SubParsersAction):
                names += [
                    name for parser in action.choices.values() for name in parser._option_string_actions
                ]
        return names


def _program() -> str:
    return "fapo" if not sys.argv[0].endswith("__main__.py") else "python -m pytest_fapo"


_Commands = argparse._SubParsersAction  # argparse has no public name for it


def _command(
    commands: _Commands[argparse.ArgumentParser], name: str, run: str, help: str, more: str = ""
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=help[0].lower() + help[1:].removesuffix("."),
        description=textwrap.fill(f"{help} {more}".strip(), 80),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    if name != "init":
        parser.add_argument(
            "-c",
            dest="settings",
            metavar="FILE",
            help="the file with [tool.fapo], if pytest gets it with -c",
        )
    return parser


def _add_init(commands: _Commands[argparse.ArgumentParser]) -> None:
    init = _command(
        commands,
        "init",
        "init.init_command:init",
        "Set up a project: settings, the pipeline fixture, and a test for every case file.",
        "Existing files are never overwritten.",
    )
    init.add_argument("-y", "--yes", action="store_true", help="ask nothing, use what it finds")
    init.add_argument("-n", "--dry-run", action="store_true", help="only show what would be written")
    init.add_argument(
        "--pipeline",
        metavar="MODULE:FUNCTION",
        help="the function to test, such as app.pipeline:answer; default: found in the code",
    )


def _add_doctor(commands: _Commands[argparse.ArgumentParser]) -> None:
    doctor = _command(
        commands,
        "doctor",
        "doctor_command:examine",
        "Check settings, scope, keys, cage and cache for problems before a run.",
        "Nothing is run or sent. Exit code 1 if something is wrong.",
    )
    doctor.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_texts(commands: _Commands[argparse.ArgumentParser]) -> None:
    texts = _command(
        commands,
        "texts",
        "text_list:list_texts",
        "List the texts of files with their addresses, to choose what the scope names.",
        "Nothing is run or sent.",
    )
    texts.add_argument(
        "paths", nargs="+", metavar="PATH", help="files, folders, or patterns such as 'app/*.py'"
    )
    texts.add_argument(
        "--all", action="store_true", help="include single words, such as roles and model names"
    )
    texts.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_cases(commands: _Commands[argparse.ArgumentParser]) -> None:
    cases = commands.add_parser(
        "cases", help="labeled cases", description="Labeled cases, as @fapo.cases reads them."
    )
    actions = cases.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = _command(
        actions,
        "check",
        "cases_command:check",
        "Check labeled cases for copies, contradicting labels, answers quoted in a prompt, "
        "splits that are too small.",
        "Before you trust a score. Nothing is run or sent. Exits with 1 if something was found.",
    )
    check.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="case files that are used together, or rows.py::NAME for a list or a function",
    )
    check.add_argument(
        "--inputs", metavar="COLUMNS", help="of a foreign file, with commas: as cases(inputs=[...])"
    )
    check.add_argument("--expected", metavar="COLUMN", help="of a foreign file: the label")
    check.add_argument("--id", metavar="COLUMN", help="of a foreign file: the case id")
    check.add_argument("--split", metavar="NAME", help="the column of the split, or the split of all rows")
    check.add_argument("--encoding", metavar="NAME", help="of text that is not UTF-8, such as cp1252")
    check.add_argument("--all", action="store_true", help="list everything; default: five of each kind")
    check.add_argument("--json", action="store_true", help="print JSON, for programs")


def _add_runs(commands: _Commands[argparse.ArgumentParser]) -> None:
    runs = _command(
        commands, "runs", "run_commands:list_runs", "List the runs of --fapo-optimize, oldest first."
    )
    runs.add_argument("--json", action="store_true", help="print JSON, for programs")
    show = _command(
        commands, "show", "run_commands:show_run", "Show what a run tried, the results and the cost."
    )
    _add_run(show)
    show.add_argument("-v", "--verbose", action="store_true", help="why each candidate was judged as it was")
    show.add_argument("--json", action="store_true", help="print JSON, for programs")
    diff = _command(
        commands,
        "diff",
        "diff_command:diff",
        "Show what a run changes, or what one of its candidates would have changed.",
    )
    _add_run(diff)
    diff.add_argument(
        "a", nargs="?", metavar="A", help="a candidate (c3): its whole patch against the original"
    )
    diff.add_argument("b", nargs="?", metavar="B", help="another one: the difference from A to B")
    spans = _command(
        commands,
        "spans",
        "run_commands:export_spans",
        "Export what a run recorded of the pipeline as OpenTelemetry spans, one JSON document of OTLP.",
        "For a collector, Jaeger, Phoenix or another viewer.",
    )
    _add_run(spans)
    spans.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: the standard output")


def _add_changes(commands: _Commands[argparse.ArgumentParser]) -> None:
    apply = _command(
        commands,
        "apply",
        "run_commands:apply_changes",
        "Write the patch of a run into the project: all of it or nothing.",
        "Merged with later edits of other lines; refused if the same lines were edited since.",
    )
    _add_run(apply)
    undo = _command(
        commands,
        "undo",
        "run_commands:undo_changes",
        "Restore the exact bytes of the files that a run has written.",
        "Later edits of other lines stay; refused if the same lines were edited since.",
    )
    _add_run(undo)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _RUN + _EPILOG
    parser.add_argument(
        "name",
        nargs="?",
        default="last",
        metavar="RUN",
        help="which run: its name or the beginning of it; default: `last`",
    )


def _add_cache(commands: _Commands[argparse.ArgumentParser]) -> None:
    cache = commands.add_parser(
        "cache", help="recorded LLM answers", description="Recorded LLM answers in .fapo/cache."
    )
    actions = cache.add_subparsers(title="commands", metavar="COMMAND", required=True)
    stats = _command(
        actions, "stats", "cache_commands:stats", "Count the recorded answers, by model and by API."
    )
    stats.add_argument("--json", action="store_true", help="print JSON, for programs")
    clear = _command(actions, "clear", "cache_commands:clear", "Delete every recorded answer; asks first.")
    clear.add_argument("-y", "--yes", action="store_true", help="do not ask")
    export = _command(
        actions,
        "export",
        "cache_commands:export",
        "Write recorded answers into one file, to be committed or given to CI.",
    )
    export.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="the file; default: the first of the setting cache_files, else fapo-cache.json in the project",
    )
    export.add_argument(
        "--all",
        action="store_true",
        help="every recorded answer; default: those that the cases used when they last ran",
    )
    import_ = _command(
        actions, "import", "cache_commands:import_", "Take answers from an exported file into the cache."
    )
    import_.add_argument("path", metavar="PATH", help="a file that `fapo cache export` has written")


def _add_gate(commands: _Commands[argparse.ArgumentParser]) -> None:
    gate = commands.add_parser(
        "gate", help="the merge gate in several jobs", description="The merge gate in several jobs."
    )
    actions = gate.add_subparsers(title="commands", metavar="COMMAND", required=True)
    join = _command(
        actions,
        "join",
        "join_command:join",
        "Judge the results of all shards of `pytest --fapo-gate --fapo-shard=N/OF` together.",
        "As the gate in one job does, with its exit codes: 0 no regressions, 1 a test without a case "
        "fails, 10 accuracy fell, 11 accuracy could not be judged, as without a shard. No test runs.",
    )
    join.usage = f"{_program()} gate join [-c FILE] FILE [FILE ...] [-- OPTION ...]"
    join.epilog = (
        "After --, repeat the pytest options and paths that the shards were given, such as\n"
        "--fapo-policy=paired, and outputs, such as --fapo-summary=fapo-summary.md."
    )
    join.add_argument("files", nargs="+", metavar="FILE", help="fapo-shard-1-of-4.json.gz …, one per shard")


def _add_judge(commands: _Commands[argparse.ArgumentParser]) -> None:
    judge = commands.add_parser(
        "judge", help="metrics that ask a model", description="Metrics that ask a model."
    )
    actions = judge.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = _command(
        actions,
        "check",
        "judge_command:check",
        "Compare a judge with human labels: agreement, Cohen's kappa, noise, and the disagreements.",
        "Before you trust a judge's scores, or after its prompt or model changed.",
    )
    check.add_argument("file", metavar="FILE", help="labeled outputs, a case file: JSONL, CSV, YAML or JSON")
    check.add_argument(
        "--judge",
        metavar="MODULE:FUNCTION",
        required=True,
        help="called with the columns that match its parameters; returns a score or a label",
    )
    check.add_argument("--label", metavar="COLUMN", default="human", help="default: human")
    check.add_argument(
        "--threshold",
        metavar="SCORE",
        type=float,
        default=0.5,
        help="for labels 0 and 1: a score from this on counts as 1; default: 0.5",
    )
    check.add_argument("--repeats", metavar="N", type=int, help="default: the setting judge_repeats")
    check.add_argument("--json", action="store_true", help="print JSON, for programs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `fapo`; default: those of this process.

    Returns:
        the exit code, see `pytest_fapo.cli.console`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    further: list[str] = []
    if words[:2] == ["gate", "join"] and "--" in words:
        words, further = words[: words.index("--")], words[words.index("--") + 1 :]
    options = make_parser().parse_args(words)
    options.further = further
    console = CommandConsole(sys.stdout)
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
    from pytest_fapo.capture.redaction import error_text
    from pytest_fapo.core.printable import encodable

    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    sys.stderr.write(encodable(f"fapo: {error_text(message)}\n", encoding))
    return NOTHING_DONE
