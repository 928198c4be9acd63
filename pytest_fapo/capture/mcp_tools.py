"""Tools over the Model Context Protocol as steps, with their arguments, results and errors.

Nothing of the package `mcp` is imported here; where the pipeline loads its client, calls of tools are
wrapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

from pytest_fapo.capture.import_hook import AfterImport
from pytest_fapo.capture.recorder import current_recorder
from pytest_fapo.capture.steps import CURRENT_STEP, CurrentStep, leave_step

_CLIENT = "mcp.client.session"


class ToolFailed(Exception):
    """A tool's own report that it failed."""


@contextmanager
def mcp_tools_as_steps() -> Iterator[None]:
    """In the body, each tool that a pipeline calls through an MCP session is a step of its trace."""
    with ExitStack() as undo:

        def patch(module: ModuleType) -> None:
            session: Any = getattr(module, "ClientSession", None)
            original = getattr(session, "call_tool", None)
            if original is not None:
                session.call_tool = _recorded(original)
                undo.callback(setattr, session, "call_tool", original)

        hook = AfterImport([_CLIENT], patch)
        undo.callback(hook.uninstall)
        hook.install()
        yield


def _recorded(original: Any) -> Any:
    @wraps(original)
    async def call_tool(session: Any, name: str, arguments: Any = None, *args: Any, **kwargs: Any) -> Any:
        recorder, around = current_recorder(), CURRENT_STEP.get()
        if recorder is None or not recorder.step_functions:
            return await original(session, name, arguments, *args, **kwargs)
        parent = around.step if around is not None and around.recorder is recorder else None
        step = recorder.begin_step(name, arguments or {}, parent=parent)
        token = CURRENT_STEP.set(CurrentStep(recorder, step))
        try:
            result = await original(session, name, arguments, *args, **kwargs)
        except BaseException as error:
            recorder.end_step(step, error=error)
            raise
        finally:
            leave_step(token)
        failed = getattr(result, "is_error", getattr(result, "isError", False))
        said = _tool_result(result)
        recorder.end_step(step, output=said, error=ToolFailed(said) if failed is True else None)
        return result

    return call_tool


def _tool_result(result: Any) -> Any:
    """Return what the tool gave: its structured result, else its text, else its content as it came."""
    structured = getattr(result, "structured_content", getattr(result, "structuredContent", None))
    content = getattr(result, "content", None) or []
    texts = [part.text for part in content if isinstance(getattr(part, "text", None), str)]
    if structured is not None and set(structured) != {"result"}:
        return structured
    return "\n".join(texts) if len(texts) == len(content) else [_plain(part) for part in content]


def _plain(part: Any) -> Any:
    dump = getattr(part, "model_dump", None)
    return dump(mode="json", exclude_none=True) if dump is not None else part
