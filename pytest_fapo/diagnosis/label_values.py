"""Labels that more than one answer fits: any of several references, and a number with a tolerance."""

from __future__ import annotations

from typing import Any


class AnyOf(list[Any]):
    """References of which an answer has to be one."""


class Near(float):
    """A number that an answer has to come near to."""

    tolerance: float

    def __new__(cls, value: float, tolerance: float) -> Near:
        near = super().__new__(cls, value)
        near.tolerance = tolerance
        return near

    def fits(self, number: float) -> bool:
        return abs(self - number) <= self.tolerance


_UNITS: dict[float, str] = {
    10.0: "a decimal place",
    100.0: "percent or cents",
    1000.0: "thousands",
    1024.0: "1,024",
    1e6: "millions",
    1e9: "billions",
    60.0: "sixty, as minutes and hours",
    3600.0: "3,600, as seconds and hours",
    86400.0: "86,400, as seconds and days",
    24.0: "24, as hours and days",
    1440.0: "1,440, as minutes and days",
    7.0: "seven, as days and weeks",
    12.0: "twelve, as months and years",
    365.0: "365, as days and years",
    2.54: "2.54, as inches and centimeters",
    1.609344: "1.609, as miles and kilometers",
    0.45359237: "0.4536, as pounds and kilograms",
}


def unit_slip(expected: float, actual: float) -> str:
    """Return the factor by which a number is the right one in another unit; empty where it is not one."""
    if not expected or not actual or (expected < 0) != (actual < 0):
        return ""
    for factor, words in _UNITS.items():
        if any(abs(ratio / factor - 1) < 2e-3 for ratio in (actual / expected, expected / actual)):
            return words
    return ""
