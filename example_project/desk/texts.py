"""Short texts that live in code: the tone of voice and the words for what is missing."""

from __future__ import annotations

HOUSE_STYLE = """\
You answer for Kettle & Crane, an online shop for kitchenware.
Be warm and plain. Use the customer's language, no jargon, no exclamation marks.
Sign every reply as "Your Kettle & Crane desk".
"""

NO_ORDER = "(none)"
