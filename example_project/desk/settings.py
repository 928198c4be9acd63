"""Settings that an operator may want to change."""

from __future__ import annotations

import os
from pathlib import Path

MODEL = os.environ.get("DESK_MODEL", "gpt-4o-mini")
TEMPERATURE = 0.0
TIMEOUT = 30.0
"""Seconds until a request to the model is given up."""

TOP_K = 3
"""Number of handbook passages that the model gets to see."""

HANDBOOK = Path(__file__).with_name("handbook.md")
PROMPTS = Path(__file__).with_name("prompts")
