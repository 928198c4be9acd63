"""Tools of a real MCP server that is started over stdio are steps of the run that calls them."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from support.llm_lab import Lab

mcp = pytest.importorskip("mcp", reason="needs mcp (extra frameworks)")

SERVER = '''
    try:
        from mcp.server.fastmcp import FastMCP as Tools
    except ImportError:
        from mcp.server import MCPServer as Tools

    server = Tools("orders")


    @server.tool()
    def status(order: int) -> str:
        """The state of an order."""
        if order < 0:
            raise ValueError("no such order")
        return f"order {order} is on its way"


    @server.tool()
    def total(prices: list[float]) -> dict[str, float]:
        """The sum of prices."""
        return {"total": sum(prices)}


    server.run("stdio")
'''


async def calls(script: Path, wanted: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    parameters = mcp.StdioServerParameters(command=sys.executable, args=[str(script)])
    async with mcp.stdio_client(parameters) as streams, mcp.ClientSession(*streams[:2]) as session:
        await session.initialize()
        return [await session.call_tool(name, arguments) for name, arguments in wanted]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "orders.py"
    path.write_text(textwrap.dedent(SERVER))
    return path


def test_a_tool_is_a_step_with_what_it_was_given_and_gave(lab: Lab, script: Path) -> None:
    lab.capture()
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("status", {"order": 7}),
        ("total", {"prices": [1.5, 2]}),
        ("status", {"order": -1}),
    ]
    results = lab.run(lambda: asyncio.run(calls(script, wanted)))
    assert results[0].content[0].text == "order 7 is on its way"
    first, second, third = lab.recorder.trace().steps
    assert (first.key, first.inputs, first.output) == ("status", {"order": 7}, "order 7 is on its way")
    assert (second.key, second.output) == ("total", {"total": 3.5})
    assert third.key == "status#2"
    assert "ToolFailed" in (third.error or "")
    assert all(step.duration > 0 for step in (first, second, third))


def test_outside_of_a_run_a_tool_is_called_and_not_recorded(lab: Lab, script: Path) -> None:
    lab.capture()
    (result,) = asyncio.run(calls(script, [("status", {"order": 7})]))
    assert result.content[0].text == "order 7 is on its way"
    assert lab.recorder.trace().steps == []
