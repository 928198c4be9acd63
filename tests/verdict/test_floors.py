"""`--fapo-min-score` and `min_score`."""

from __future__ import annotations

import pytest

from pytest_fapo.core.errors import ConfigError
from pytest_fapo.verdict.policy import Floor, floors_of


def test_options_replace_settings_of_their_name() -> None:
    found = floors_of({"answer": 0.9, "val": 0.5}, ["0.8", "val=60%", "tag:a=b=0.5", "metric:cost=-2"])
    assert found == [
        Floor("answer", 0.9),
        Floor("val", 0.6),
        Floor("*", 0.8),
        Floor("tag:a=b", 0.5),
        Floor("metric:cost", -2.0),
    ]
    assert floors_of({}) == []


@pytest.mark.parametrize(
    "text", ["", "answer=", "=0.5", "high", "answer=high", "1.2", "-0.1", "tag:=0.5", "nan"]
)
def test_what_is_no_floor_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="--fapo-min-score="):
        floors_of({}, [text])


def test_a_setting_out_of_bounds_is_named() -> None:
    with pytest.raises(ConfigError, match=r"tool\.fapo\.min_score: 'answer': expected a share"):
        floors_of({"answer": 90})
