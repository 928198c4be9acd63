"""What a parameter is for, as its name tells."""

from __future__ import annotations

import re
from typing import Literal

from pytest_fapo.models import Artifact

Role = Literal["depth", "threshold", "length", "turns", "temperature", "top_p", "max_tokens", "model"]

_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("temperature", re.compile(r"(^|_)temp(erature)?$")),
    ("top_p", re.compile(r"(^|_)top_?p$")),
    ("max_tokens", re.compile(r"tokens?(_(limit|max|budget))?$|^num_predict$")),
    (
        "threshold",
        re.compile(
            r"thresh(old)?$|cut_?off$|(^|_)(min|max|least)_?"
            r"(score|sim(ilarity)?|relevance|confidence|prob(ability)?|certainty|distance)$"
            r"|^(min|least|confidence)$"
        ),
    ),
    ("length", re.compile(r"(^|_)(chars|characters|words|length|size|window)(_limit|_max)?$")),
    ("turns", re.compile(r"(^|_)(turns|steps|iterations|rounds|loops|attempts|retries|tries|hops)$")),
    (
        "depth",
        re.compile(
            r"(^|_)(top_?k|k|limit|depth|keep)$|^top_?(n|docs|passages|results)$"
            r"|(^|_)(n|num|max|number_of)_(docs|documents|passages|chunks|notes|results|hits|candidates|"
            r"articles|snippets|sources|matches|items|entries|rows|lines|facts|pieces|pages)$"
            r"|^(passages|documents|chunks|results|hits|notes)$"
        ),
    ),
    ("model", re.compile(r"(^|_)(model|llm|engine|deployment)(_?(name|id))?$")),
)


def role_of(name: str) -> Role | None:
    """The role of a parameter's or an argument's name, in any spelling; None for an unknown one."""
    last = snake(re.split(r"[.:]", name)[-1])
    return next((role for role, pattern in _ROLES if pattern.search(last)), None)


def snake(name: str) -> str:
    """A name in lower case with underscores, whatever it was spelled like."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()


def roles_of(artifacts: list[Artifact]) -> set[Role]:
    """The roles of those artifacts that are parameters."""
    found = (role_of(artifact.address) for artifact in artifacts if artifact.level == "param")
    return {role for role in found if role is not None}
