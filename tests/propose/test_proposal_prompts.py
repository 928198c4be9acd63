"""The optimizer's prompts are files that a person can read and override."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.evidence import an_evidence

from pytest_fapo.commands.run_request import make_proposer
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.settings import Settings, load_settings
from pytest_fapo.propose.model.model_proposer import LLMProposer, load_templates

GOOD = "{{artifacts}} {{cases}} {{task}}"


def test_an_override_replaces_one_file_and_leaves_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "fapo"
    folder.mkdir()
    (folder / "propose.md").write_text(f"Mine: {GOOD}", encoding="utf-8")
    (folder / "README.md").write_text("why", encoding="utf-8")
    settings = Settings(optimizer_prompts="fapo")
    proposer = make_proposer("openai:m", settings=settings, root=tmp_path)
    assert isinstance(proposer, LLMProposer)
    assert proposer.question(an_evidence()).startswith("Mine: ====")
    assert "You improve the prompts" in load_templates(folder).texts["system"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("propose.md", "{{artifacts}} {{task}}", "lacks {{cases}}"),
        ("propose.md", GOOD + " {{casses}}", "{{casses}} is not filled"),
        ("repeat.md", "Again!", "lacks {{problem}}"),
        ("propos.md", GOOD, "did you mean 'propose.md'?"),
    ],
)
def test_a_file_that_cannot_work_is_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_templates(tmp_path)
    assert str(tmp_path / name) in str(error.value)
    assert words in str(error.value)


def test_a_missing_folder_and_a_file_in_another_encoding_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"optimizer_prompts: .*nowhere is not a folder"):
        load_templates(tmp_path / "nowhere")
    (tmp_path / "system.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"system\.md.*cannot be read"):
        load_templates(tmp_path)


def test_the_settings_in_the_docs_are_valid(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "optimizers.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        (tmp_path / "pyproject.toml").write_text(block, encoding="utf-8")
        assert load_settings(None, tmp_path) != Settings()


def test_marks_inside_values_are_not_filled() -> None:
    filled = load_templates().fill("repeat", problem="{{problem}} {{task}}")
    assert "{{problem}} {{task}}" in filled
