"""What `fapo init` asks: which function, and where the prompts are, if it could not tell."""

from __future__ import annotations

from difflib import get_close_matches

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.cli.console import Console
from pytest_fapo.cli.init.functions import Function
from pytest_fapo.cli.init.survey import Survey
from pytest_fapo.config import Scope
from pytest_fapo.errors import ArtifactError, ConfigError

_OFFERED = 9


def choose_pipeline(survey: Survey, console: Console, *, asks: bool) -> Function | None:
    """The pipeline: the likeliest candidate, or the one that the user names; None for a placeholder.

    Args:
        survey: the project.
        console: where to ask.
        asks: whether to ask at all.

    Raises:
        EOFError: nobody answers.
    """
    candidates = survey.candidates[:_OFFERED]
    if not asks or len(candidates) == 1:
        return candidates[0] if candidates else None
    if candidates:
        console.line(("Which of these do the cases run through?", "bold"))
        for number, function in enumerate(candidates, 1):
            console.terminal.labelled(f"  {number}", f"{function.target}  ({function.place})", column=5)
        question = "A number, or module:function [1] "
    else:
        console.line("No function was found that asks a language model.")
        question = "The function to test, as module:function (nothing: a placeholder, to be replaced) "
    while True:
        answer = console.ask(question)
        if not answer:
            return candidates[0] if candidates else None
        if answer.isdigit() and 1 <= int(answer) <= len(candidates):
            return candidates[int(answer) - 1]
        try:
            return named_pipeline(survey, answer)
        except ConfigError as error:
            console.line(str(error))


def named_pipeline(survey: Survey, target: str) -> Function:
    """The function that the user means.

    Raises:
        ConfigError: there is none of that name; says which are near.
    """
    functions = survey.graph.functions
    wanted = target if ":" in target else ":".join(target.rsplit(".", 1))
    if wanted in functions:
        return functions[wanted]
    near = get_close_matches(wanted, functions, n=3, cutoff=0.5)
    hint = "give it as module:function, such as app.pipeline:answer"
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    raise ConfigError(f"there is no function {target} in {survey.layout.root}; {hint}")


def ask_for_prompts(survey: Survey, console: Console) -> list[str]:
    """Entries of the scope for prompts that were not found; none where the user leaves it at that.

    Raises:
        EOFError: nobody answers.
    """
    console.line("No prompt was found that can be edited as it stands.")
    found: list[str] = []
    while True:
        answer = console.ask("A prompt, as app/prompts/*.md or app/texts.py::NAME (nothing: go on) ")
        if not answer:
            return found
        try:
            ArtifactStore(survey.layout.root, Scope(prompts=[answer])).all()
        except (ArtifactError, ValueError) as error:
            reason = str(error) if isinstance(error, ArtifactError) else "it leads out of the project"
            console.line(reason.removeprefix("[tool.fapo.scope] prompts: "))
            continue
        found.append(answer)
