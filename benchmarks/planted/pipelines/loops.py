"""The loop of an agent, as three SDKs have it; and the settings that go with it."""

from __future__ import annotations

CHAT_LOOP = '''
"""An agent: the model calls tools until it answers in words."""

import json

from openai import OpenAI

from app import settings

client = OpenAI()


def converse(system, question, tools, run_tool):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    offered = [{"type": "function", "function": tool} for tool in tools]
    for _ in range(settings.MAX_TURNS):
        response = client.chat.completions.create(
            model=settings.MODEL, temperature=settings.TEMPERATURE, messages=messages, tools=offered
        )
        message = response.choices[0].message
        if not message.tool_calls:
            return (message.content or "").strip()
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = run_tool(call.function.name, json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return ""
'''

RESPONSES_LOOP = '''
"""An agent: the model calls tools until it answers in words."""

import json

from openai import OpenAI

from app import settings

client = OpenAI()


def converse(system, question, tools, run_tool):
    items = [{"role": "user", "content": question}]
    offered = [{"type": "function", "strict": False, **tool} for tool in tools]
    for _ in range(settings.MAX_TURNS):
        response = client.responses.create(
            model=settings.MODEL,
            temperature=settings.TEMPERATURE,
            instructions=system,
            input=items,
            tools=offered,
        )
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text.strip()
        for call in calls:
            items.append(
                {
                    "type": "function_call",
                    "call_id": call.call_id,
                    "name": call.name,
                    "arguments": call.arguments,
                }
            )
            result = run_tool(call.name, json.loads(call.arguments))
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
    return ""
'''

ANTHROPIC_LOOP = '''
"""An agent: the model calls tools until it answers in words."""

import anthropic

from app import settings

client = anthropic.Anthropic()


def converse(system, question, tools, run_tool):
    messages = [{"role": "user", "content": question}]
    offered = [
        {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
        for tool in tools
    ]
    for _ in range(settings.MAX_TURNS):
        answer = client.messages.create(
            model=settings.MODEL,
            max_tokens=settings.MAX_TOKENS,
            system=system,
            messages=messages,
            tools=offered,
        )
        used = [block for block in answer.content if block.type == "tool_use"]
        if not used:
            return "".join(block.text for block in answer.content if block.type == "text").strip()
        messages.append({"role": "assistant", "content": [block.model_dump() for block in answer.content]})
        results = []
        for block in used:
            result = run_tool(block.name, block.input)
            results.append(
                {
                    "type": "tool_result",
                    "tool_use_id": block.id,
                    "content": result,
                    "is_error": result.startswith("Error"),
                }
            )
        messages.append({"role": "user", "content": results})
    return ""
'''

SETTINGS = '\nMODEL = "agent-1"\nTEMPERATURE = 0.0\nMAX_TOKENS = 500\nMAX_TURNS = 6\n'
TURNS = "app/settings.py::MAX_TURNS = 1..10"
