"""Own time and memory by the number of cases, as a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """What one number of cases took."""

    cases: int
    plain: float
    """Seconds of processor time of plain pytest."""
    own: float
    """Seconds that the plugin takes more."""
    plain_megabytes: float
    megabytes: float

    def __str__(self) -> str:
        return (
            f"{self.cases:,} cases: plain pytest {self.plain:.2f} s and {self.plain_megabytes:.0f} MB, "
            f"cached {self.plain + self.own:.2f} s and {self.megabytes:.0f} MB"
        )


_WIDTH, _HEIGHT, _LEFT, _TOP = 300, 200, 60, 40
_WHOLE, _PLAIN = "#2f6fab", "#999999"


def curves(points: Sequence[Point]) -> str:
    """Return an SVG with two panels, both axes of each logarithmic: processor time, and memory."""
    time = [("with recorded answers", _WHOLE, [each.plain + each.own for each in points])]
    time.append(("plain pytest", _PLAIN, [each.plain for each in points]))
    memory = [("with recorded answers", _WHOLE, [each.megabytes for each in points])]
    memory.append(("plain pytest", _PLAIN, [each.plain_megabytes for each in points]))
    cases = [each.cases for each in points]
    width, height = 2 * (_WIDTH + _LEFT) + 40, _HEIGHT + _TOP + 50
    panels = _panel(0, "seconds", cases, time) + _panel(_WIDTH + _LEFT + 20, "megabytes", cases, memory)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>\n{panels}</svg>\n'
    )


def _panel(
    left: int, unit: str, cases: Sequence[int], lines: Sequence[tuple[str, str, Sequence[float]]]
) -> str:
    values = [value for _, _, found in lines for value in found]
    across, up = _scale(cases, _WIDTH), _scale(values, _HEIGHT)
    parts = [f'<g transform="translate({left + _LEFT},{_TOP})">']
    parts.append(f'<text x="0" y="-22" font-weight="bold">{unit} by number of cases</text>')
    parts.append(f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#cccccc"/>')
    parts += [
        f'<text x="{across(number):.0f}" y="{_HEIGHT + 18}" text-anchor="middle">{number:,}</text>'
        for number in cases
    ]
    for number, (name, color, found) in enumerate(lines):
        path = " ".join(
            f"{across(case):.1f},{_HEIGHT - up(value):.1f}" for case, value in zip(cases, found, strict=True)
        )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for case, value in zip(cases, found, strict=True):
            place = f'x="{across(case) - 4:.0f}" y="{_HEIGHT - up(value) + (14 if number else -6):.0f}"'
            parts.append(f'<text {place} fill="{color}" text-anchor="end">{value:,.3g}</text>')
        parts.append(f'<text x="{8 + 150 * number}" y="-6" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</g>\n"])


def _scale(values: Sequence[float], length: int) -> Callable[[float], float]:
    low, high = math.log(min(values)), math.log(max(values))
    room = 0.12 * (high - low) or 1.0
    return lambda value: (math.log(value) - low + room) / (high - low + 2 * room) * length
