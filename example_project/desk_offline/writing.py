"""Write the reply to a customer: the handbook's first passage, a greeting, and what the prompt demands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from desk_offline.habits import draw, meets
from desk_offline.reading import NEGATION, Prompt

_NUMBER = r"(\d{1,4})\s*words?"
_LIMITS = [
    re.compile(
        rf"\b(?:at most|no more than|not more than|up to|max(?:imum)?(?: of)?|under|below|within|fewer than|less than|"
        rf"(?:not |never )?(?:exceed|longer than|above|over)|limit\w*(?: \w+){{0,3}} to|keep\w*(?: \w+){{0,3}} to)\s+{_NUMBER}",
        re.I,
    ),
    re.compile(rf"{_NUMBER}\s*(?:or (?:fewer|less)|at (?:the )?most|maximum|max\b|is the limit)", re.I),
    re.compile(r"\b(?:word limit|length|limit|max_words|maximum)\b\D{0,20}(\d{1,4})\b", re.I),
]
_BRIEF = re.compile(r"\b(short|brief|briefly|concise|few sentences|to the point)\b", re.I)
_QUOTED = re.compile(r"[\"“`']([^\"”`']{3,80})[\"”`']")
_ORDER = re.compile(r"\border\b(?!\s+to\b)", re.I)
_MISSING = re.compile(
    r"\b(no|without|missing|lacks?|absent|none|unknown|null|empty|omit(s|ted)?|forgot(ten)?|left out)\b|"
    r"(?:\bnot|n['’]t)\s+(been\s+)?(give|given|gave|mention|mentioned|state|stated|include|included|contain|provide|provided|known|there|tell|told|say|name|named)\b|"
    r"\(none\)",
    re.I,
)
_CONDITION = re.compile(r"\b(if|when|whenever|where|unless|in case|should|for tickets)\b|\bmissing\b", re.I)
_QUOTE = re.compile(
    r"\b(quot|mention|includ|stat|repeat|cit|giv|refer|nam|contain|say|writ|show|put|appear|stand|use|restat)\w*\b",
    re.I,
)
_ASK = re.compile(r"\b(ask|request|inquire)\w*\b", re.I)
_PROMISE = re.compile(
    r"\b(promis|commit|guarantee|predict)\w*\b|\b(dates?|deadlines?|delivery times?|time ?frames?|days? of the week|weekdays?)\b",
    re.I,
)

PROMISES = [
    "You will have it by Friday.",
    "We will sort this out within 24 hours.",
    "You will hear from us tomorrow.",
]
FILLER = (
    "We know how much you rely on the things in your kitchen, and we would like you to enjoy cooking with them for "
    "many years. Our whole team works hard every day to give you the best service that we can, and your message helps "
    "us to become better still. If there is anything else on your mind, whatever it may be, our desk is always glad to "
    "hear from you, by mail or by phone. "
)


@dataclass
class Demands:
    """What a prompt asks of a reply."""

    limit: int | None = None
    brief: bool = False
    quote_order: bool = False
    ask_for_order: bool = False
    no_promise: bool = False
    include: list[str] = field(default_factory=list)
    forbid: list[str] = field(default_factory=list)


def demands_of(prompt: Prompt) -> Demands:
    """Read the rules for a reply out of the instructions, sentence by sentence."""
    found = Demands()
    for sentence in prompt.sentences:
        limits = [int(match[1]) for pattern in _LIMITS for match in pattern.finditer(sentence)]
        found.limit = min([*limits, *([found.limit] if found.limit else [])], default=None)
        found.brief = found.brief or bool(_BRIEF.search(sentence))
        _read_rule(sentence, prompt, found)
    return found


def _read_rule(sentence: str, prompt: Prompt, found: Demands) -> None:
    if_missing = bool(_ORDER.search(sentence) and _CONDITION.search(sentence) and _MISSING.search(sentence))
    negated = bool(NEGATION.search(sentence)) and not if_missing
    quoted = _QUOTED.findall(sentence)
    if if_missing:
        found.ask_for_order = found.ask_for_order or bool(_ASK.search(sentence))
        if prompt.order is None and _QUOTE.search(sentence):
            found.include += quoted
        return
    if negated:
        found.forbid += quoted
        found.no_promise = found.no_promise or bool(_PROMISE.search(sentence))
        return
    if _ORDER.search(sentence) and _QUOTE.search(sentence):
        found.quote_order = True
    elif quoted and re.search(
        r"\b(includ|contain|add|end|clos|sign|start|begin|open|with the (words|phrase|sentence))\w*",
        sentence,
        re.I,
    ):
        found.include += quoted


def write_reply(prompt: Prompt) -> str:
    """The reply, as the prompt demands it and as a hasty clerk writes it where the prompt is silent."""
    ticket, order, demands = prompt.ticket, prompt.order, demands_of(prompt)
    parts = ["Hello,", "Thank you for writing to us, and I am sorry for the trouble."]
    if order and (demands.quote_order or not meets(ticket, "forgets the order number", 28)):
        parts.append(f"This is about your order {order}.")
    parts.append(_from_handbook(prompt))
    if order is None and (demands.ask_for_order or not meets(ticket, "does not ask", 45)):
        parts.append("Could you please send us the order number?")
    if not demands.no_promise and meets(ticket, "promises a day", 13):
        parts.append(PROMISES[draw(ticket, "which promise", len(PROMISES))])
    if demands.limit is None and not demands.brief and meets(ticket, "long-winded", 14):
        parts.insert(-1, FILLER.strip())
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
