"""The context in which the optimizer's own requests to a model are made."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

CallContext = Callable[[], AbstractContextManager[object]]
"""Gives the context in which a model is called, so that capture, cache and budget apply there."""
