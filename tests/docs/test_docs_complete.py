"""Every option and setting is documented, with its true default; nothing is documented that is not there."""

from __future__ import annotations

import json
import re
from argparse import Action
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from support.documents import PAGES, REPOSITORY, headings

from pytest_fapo.core.record import LEVELS, SPLITS, Category
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.settings import CommandSettings, OfflineSettings, ProviderSettings, Settings

OPTIONS_PAGE = REPOSITORY / "docs" / "options.md"
SETTINGS_PAGE = REPOSITORY / "docs" / "configuration.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "": Settings,
    "scope.": Scope,
    "offline.": OfflineSettings,
    "llm.<provider>.": ProviderSettings,
    "command.": CommandSettings,
}


def options(config: pytest.Config) -> Iterator[tuple[str, Action]]:
    parser: Any = config._parser
    optparser = getattr(parser, "optparser", None) or parser._getparser()
    for name, action in optparser._option_string_actions.items():
        if name.startswith("--fapo-"):
            yield name, action


def settings() -> Iterator[tuple[str, Any]]:
    for prefix, section in SECTIONS.items():
        for name, field in section.model_fields.items():
            if not prefix and name in ("scope", "offline", "llm", "command"):
                continue  # tables: their keys are documented one by one
            yield f"{prefix}{name}", field


def test_every_option_has_its_heading(pytestconfig: pytest.Config) -> None:
    found = dict(options(pytestconfig))
    wanted = [
        f"`{name}={'|'.join(action.choices)}`"
        if action.choices
        else f"`{name}={action.metavar}`"
        if action.metavar
        else f"`{name}`"
        for name, action in found.items()
    ]
    assert len(wanted) > 10
    described = [heading for heading in headings(OPTIONS_PAGE) if heading.startswith("`")]
    assert sorted(described) == sorted(wanted)
    listed = OPTIONS_PAGE.read_text(encoding="utf-8").partition("## All options\n")[2].partition("\n## ")[0]
    assert [name for name in found if f"`{name}" not in listed] == []


def test_no_page_names_an_option_that_is_not_there(pytestconfig: pytest.Config) -> None:
    known = {name for name, _ in options(pytestconfig)}
    for page in PAGES:
        named = set(re.findall(r"(?<!#)--fapo-[a-z]+(?:-[a-z]+)*", page.read_text(encoding="utf-8")))
        assert named <= known, page.name


def test_every_setting_has_its_heading() -> None:
    described = [
        heading.strip("`") for heading in headings(SETTINGS_PAGE) if re.fullmatch("`[^`]+`", heading)
    ]
    assert sorted(described) == sorted(name for name, _ in settings())
    listed = SETTINGS_PAGE.read_text(encoding="utf-8").partition("## All settings\n")[2].partition("\n## ")[0]
    assert [name for name, _ in settings() if f"`{name}`" not in listed] == []


@pytest.mark.parametrize(("name", "field"), list(settings()), ids=lambda value: str(value)[:30])
def test_every_setting_is_told_with_its_default(name: str, field: Any) -> None:
    text = SETTINGS_PAGE.read_text(encoding="utf-8")
    section = text.partition(f"### `{name}`\n")[2].partition("\n#")[0]
    first = section.strip().split("\n\n")[0]
    if field.default is PydanticUndefined and field.default_factory is None:
        assert "required" in first
        return
    default = field.get_default(call_default_factory=True)
    told = "none" if default is None else f"`{json.dumps(default)}`"
    assert f"default {told}" in first


@pytest.mark.parametrize("word", [*LEVELS, *SPLITS, *Category.__args__])  # type: ignore[attr-defined]
def test_every_word_of_the_output_is_explained(word: str) -> None:
    everything = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert re.search(rf"`{word}`", everything)
