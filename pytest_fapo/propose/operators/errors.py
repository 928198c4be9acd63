"""How an operator says that it does not fit."""

from __future__ import annotations

from pytest_fapo.errors import FapoError


class OperatorError(FapoError):
    """An operator cannot be applied to this function; the message says why in one sentence."""
