"""Write the reply to a customer: the handbook's first passage, a greeting, and what the prompt demands."""

from __future__ import annotations

import re

from desk_offline.demands import demands_of
from desk_offline.habits import draw, meets
from desk_offline.reading import Prompt

PROMISES = [
    "You will have it by Friday.",
    "We will sort this out within 24 hours.",
    "You will hear from us tomorrow.",
]
FILLER = (
    "We know how much you rely on the things in your kitchen, and we would like you to enjoy cooking "
    "with them for many years. Our whole team works hard every day to give you the best service that we "
    "can, and your message helps us to become better still. If there is anything else on your mind, "
    "whatever it may be, our desk is always glad to hear from you, by mail or by phone."
)


def write_reply(prompt: Prompt) -> str:
    """The reply, as the prompt demands it and as a hasty clerk writes it where the prompt is silent."""
    ticket, order = prompt.ticket, prompt.order
    demands = demands_of(prompt.instructions, has_order=order is not None)
    parts = ["Hello, thank you for writing to us.", "I am sorry for the trouble."]
    if order and (demands.quote_order or not meets(ticket, "forgets the order number", 28)):
        parts.append(f"This is about your order {order}.")
    parts.append(_from_handbook(prompt))
    if order is None and (demands.ask_for_order or not meets(ticket, "does not ask", 45)):
        parts.append("Could you please send us the order number?")
    if not demands.no_promise and meets(ticket, "promises a day", 13):
        parts.append(PROMISES[draw(ticket, "which promise", len(PROMISES))])
    if demands.limit is None and not demands.brief and meets(ticket, "long-winded", 14):
        parts.insert(-1, FILLER)
    parts += [phrase for phrase in demands.include if not any(phrase in part for part in parts)]
    parts = [part for part in parts if not any(phrase.lower() in part.lower() for phrase in demands.forbid)]
    return _shortened(parts, demands.limit)


def _from_handbook(prompt: Prompt) -> str:
    """The first sentence of the passage that comes first."""
    body = re.sub(r"^\[[^\]]*\].*\n", "", prompt.passages).split("\n\n")[0]
    return re.split(r"(?<=[.!?])\s", body, maxsplit=1)[0].strip() or "We will look into it."


def _shortened(parts: list[str], limit: int | None) -> str:
    text = " ".join(parts)
    while limit is not None and len(text.split()) > limit and len(parts) > 3:
        longest = max(range(1, len(parts) - 1), key=lambda number: len(parts[number]))
        words = parts[longest].split()
        over = len(text.split()) - limit
        kept = " ".join(words[: max(0, len(words) - over)])
        parts = [*parts[:longest], *([kept] if len(kept.split()) > 4 else []), *parts[longest + 1 :]]
        text = " ".join(parts)
    return text
