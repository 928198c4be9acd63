"""The real SDKs against a loopback server that behaves well, badly and not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel
from support.llm_server import Answer
from support.scripted_provider import chat, failure, message, page, scripted, tool_use

from pytest_fapo.answers.model_client import MalformedAnswer, ProviderFailed, StructuredClient
from pytest_fapo.answers.sdk_clients import make_client
from pytest_fapo.core.api_keys import PLACEHOLDER_KEY
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.settings import ProviderSettings, Settings

KEY = "sk-secret-0123456789"


class Color(BaseModel):
    name: str
    shades: list[str]


RED = {"name": "red", "shades": ["dark"]}
GOOD = json.dumps(RED)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def client(provider: str, url: str, **more: Any) -> StructuredClient:
    base = f"{url}/v1" if provider == "openai" else url
    section = ProviderSettings(base_url=base, **more)
    return make_client(
        f"{provider}:big-1", Settings.model_validate({"llm": {provider: section.model_dump()}})
    )


def ask(one: StructuredClient) -> Color:
    return one.complete("You know colors.", "Which?", Color, repeat="Wrong: {problem}")


# --- openai --------------------------------------------------------------------------------------------


def test_openai_is_asked_with_a_strict_schema() -> None:
    with scripted(chat(GOOD)) as server:
        assert ask(client("openai", server.url, max_tokens=77)) == Color(name="red", shades=["dark"])
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["model"] == "big-1"
    assert request.body["max_completion_tokens"] == 77
    assert [turn["role"] for turn in request.body["messages"]] == ["system", "user"]
    form = request.body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["additionalProperties"] is False
    assert form["schema"]["required"] == ["name", "shades"]


def test_a_server_without_response_format_is_asked_in_plain_text_and_that_is_remembered() -> None:
    refusal = failure(400, "response_format is not supported")
    with scripted(refusal, chat(f"Here you are:\n```json\n{GOOD}\n```"), chat(GOOD)) as server:
        one = client("openai", server.url)
        assert ask(one).name == "red"
        assert ask(one).name == "red"
    first, second, third = server.requests
    assert "response_format" in first.body
    assert "response_format" not in second.body
    assert '"shades"' in second.body["messages"][0]["content"]
    assert "response_format" not in third.body


def test_the_other_things_old_servers_lack_are_learned_too() -> None:
    with scripted(
        failure(400, "Unknown parameter: max_completion_tokens"),
        failure(422, "response_format: unexpected"),
        failure(400, "System role not supported"),
        chat(GOOD),
    ) as server:
        assert ask(client("openai", server.url)).name == "red"
    last = server.requests[-1].body
    assert last["max_tokens"] == 8000
    assert [turn["role"] for turn in last["messages"]] == ["user"]
    assert "You know colors." in last["messages"][0]["content"]


def test_a_server_that_refuses_everything_is_not_asked_for_ever() -> None:
    with (
        scripted(failure(400, "context length exceeded")) as server,
        pytest.raises(ProviderFailed, match="HTTP 400: context length exceeded") as failed,
    ):
        ask(client("openai", server.url))
    assert len(server.requests) == 2
    assert failed.value.again is False
    assert "lower max_tokens or evidence_chars in [tool.fapo.llm.openai]" in str(failed.value)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (chat("I would say red."), "no JSON object"),
        (chat('{"name": "red"}'), "shades: Field required"),
        (chat('{"name": "red", "shades": "dark"}'), "shades: Input should be a valid list"),
        (chat(""), "empty"),
        (chat(None), "empty"),
        (chat('{"name": "red", "sha', finish="length"), "cut off"),
        (chat(None, refusal="I cannot do that."), "I cannot do that"),
        (chat(None, finish="content_filter"), "content filter"),
        (Answer(body={"id": "c", "choices": []}), "not a chat completion"),
        (Answer(body=["what"]), "not a chat completion"),
        (page(b"<html>hello</html>", "text/html"), "not a chat completion"),
    ],
)
def test_a_malformed_answer_is_asked_for_once_more_with_the_reason(bad: Answer, reason: str) -> None:
    with scripted(bad, chat(GOOD)) as server:
        assert ask(client("openai", server.url)).name == "red"
    first, second = server.requests
    said = second.body["messages"]
    assert [turn["role"] for turn in said] == ["system", "user", "assistant", "user"]
    assert said[:2] == first.body["messages"]
    assert said[3]["content"].startswith("Wrong: ")
    assert reason in said[3]["content"]


def test_two_malformed_answers_are_an_error_and_no_third_request_is_made() -> None:
    with scripted(chat("nonsense")) as server, pytest.raises(MalformedAnswer, match="no JSON object"):
        ask(client("openai", server.url))
    assert len(server.requests) == 2


def test_line_breaks_inside_strings_and_thinking_before_the_answer_are_read() -> None:
    text = '<think>{"name": "no"}</think>\n{"name": "dark\nred", "shades": []} as asked'
    with scripted(chat(text)) as server:
        assert ask(client("openai", server.url)).name == "dark\nred"


def test_a_key_quoted_by_the_server_is_not_shown() -> None:
    with (
        scripted(failure(401, f"Incorrect API key provided: {KEY}.")) as server,
        pytest.raises(ProviderFailed) as failed,
    ):
        ask(client("openai", server.url))
    assert str(failed.value).startswith("openai:big-1: ")
    assert "refused the key (HTTP 401): Incorrect API key provided: ***." in str(failed.value)
    assert failed.value.again is False


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("reply", "words", "again", "requests"),
    [
        (failure(403, "no access"), "refused the key (HTTP 403): no access", False, 1),
        (failure(404, "no model big-1"), "no such model or path (HTTP 404): no model big-1", False, 1),
        (failure(429, "slow down"), "rate limit or quota reached", True, 3),
        (failure(429, "You exceeded your current quota"), "quota", False, 3),
        (failure(500, "oops"), "HTTP 500: oops", True, 3),
        (page(b"<h1>Bad gateway</h1>", "text/html", 502), "HTTP 502", True, 3),
        (page(b"{not json"), "cannot be read", True, 1),
    ],
)
def test_what_a_provider_does_wrong_is_one_sentence(
    provider: str, reply: Answer, words: str, again: bool, requests: int
) -> None:
    with scripted(reply) as server, pytest.raises(ProviderFailed) as failed:
        ask(client(provider, server.url))
    text = str(failed.value)
    assert words in text
    assert text.startswith(f"{provider}:big-1: ")
    assert "\n" not in text
    assert len(text) < 500
    assert failed.value.again is again
    assert len(server.requests) == requests


def test_a_429_that_passes_is_retried_by_the_sdk() -> None:
    with scripted(failure(429, "slow down"), chat(GOOD)) as server:
        assert ask(client("openai", server.url)).name == "red"
    assert len(server.requests) == 2


@pytest.mark.slow
def test_a_server_that_does_not_answer_in_time() -> None:
    with (
        scripted(Answer(delay=1.0)) as server,
        pytest.raises(
            ProviderFailed, match=r"no answer from .* within 0.1 s \(\[tool.fapo.llm.openai\] timeout\)"
        ),
    ):
        ask(client("openai", server.url, timeout=0.1))


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_nobody_listens(provider: str) -> None:
    with pytest.raises(ProviderFailed, match="cannot be reached") as failed:
        ask(client(provider, "http://127.0.0.1:9"))
    assert failed.value.again is True


@pytest.mark.slow
@pytest.mark.parametrize("reply", [Answer(break_after=0), Answer(body=chat(GOOD).body, break_after=1)])
def test_a_connection_that_breaks(reply: Answer) -> None:
    with scripted(reply) as server, pytest.raises(ProviderFailed, match="cannot be reached"):
        ask(client("openai", server.url))


# --- anthropic -----------------------------------------------------------------------------------------


def test_anthropic_is_asked_with_a_forced_tool() -> None:
    with scripted(message(tool_use(RED))) as server:
        assert ask(client("anthropic", server.url)) == Color(name="red", shades=["dark"])
    (request,) = server.requests
    assert request.path == "/v1/messages"
    assert KEY in request.headers.get("x-api-key", request.headers.get("authorization", ""))  # by version
    assert request.body["tool_choice"] == {"type": "tool", "name": "answer"}
    assert request.body["tools"][0]["input_schema"]["required"] == ["name", "shades"]
    assert request.body["system"] == "You know colors."


def test_a_model_that_cannot_be_forced_is_told_to_call_the_tool() -> None:
    refusal = failure(400, "Thinking may not be enabled when tool_choice forces tool use.")
    with scripted(refusal, message({"type": "text", "text": GOOD}, stop="end_turn")) as server:
        assert ask(client("anthropic", server.url)).name == "red"
    assert server.requests[1].body["tool_choice"] == {"type": "auto"}
    assert "calling the tool 'answer'" in server.requests[1].body["system"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (message(tool_use({"name": "red"})), "shades: Field required"),
        (message(tool_use({})), "no JSON object"),
        (message(stop="end_turn"), "empty"),
        (message({"type": "text", "text": "Red, I think."}, stop="end_turn"), "no JSON object"),
        (message(tool_use({"name": "r"}), stop="max_tokens"), "cut off"),
        (message(stop="refusal"), "refused"),
        (page(b"hello", "text/plain"), "not a message"),
        (Answer(body={"type": "message"}), "not a message"),
    ],
)
def test_anthropic_too_is_asked_once_more(bad: Answer, reason: str) -> None:
    with scripted(bad, message(tool_use(RED))) as server:
        assert ask(client("anthropic", server.url)).name == "red"
    said = server.requests[1].body["messages"]
    assert [turn["role"] for turn in said] == ["user", "assistant", "user"]
    assert all(turn["content"].strip() for turn in said)
    assert reason in said[2]["content"]


def test_an_auth_token_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-1")
    with scripted(message(tool_use(RED))) as server:
        assert ask(client("anthropic", server.url)).name == "red"
    assert server.requests[0].headers["authorization"] == "Bearer token-1"


# --- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "variable"), [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY")]
)
@pytest.mark.parametrize("value", [None, "", "  ", PLACEHOLDER_KEY])
def test_a_missing_key_names_variable_and_setting(
    monkeypatch: pytest.MonkeyPatch, provider: str, variable: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as error:
        make_client(f"{provider}:m", Settings()).check()
    assert variable in str(error.value)
    assert f"optimizer '{provider}:m'" in str(error.value)
    assert f"api_key_env in [tool.fapo.llm.{provider}]" in str(error.value)


def test_the_key_may_stand_in_another_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", "team-1")
    with scripted(chat(GOOD)) as server:
        one = client("openai", server.url, api_key_env="TEAM_KEY")
        one.check()
        assert ask(one).name == "red"
    assert server.requests[0].headers["authorization"] == "Bearer team-1"
    monkeypatch.delenv("TEAM_KEY")
    with pytest.raises(ConfigError, match="TEAM_KEY, which api_key_env"):
        client("openai", "http://127.0.0.1:9", api_key_env="TEAM_KEY").check()


def test_the_url_comes_from_the_sdks_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(chat(GOOD)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/custom")
        one = make_client("openai:m", Settings())
        one.check()
        assert ask(one).name == "red"
    assert server.requests[0].path == "/custom/chat/completions"


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/", "http://"])
def test_a_url_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL"):
        make_client("openai:m", Settings()).check()
    with pytest.raises(ConfigError, match=r"\[tool.fapo.llm.anthropic\] base_url"):
        client("anthropic", url).check()


def test_a_key_that_no_header_can_hold_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\u201cquoted\u201d")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY holds characters"):
        make_client("openai:m", Settings()).check()


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither"):
        make_client("gemini:x", Settings())
