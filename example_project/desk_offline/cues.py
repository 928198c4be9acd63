"""Ways in which people word instructions: one pattern for each thing that a prompt may ask for."""

from __future__ import annotations

import re


def _any_of(phrases: str) -> re.Pattern[str]:
    """A pattern that finds one of the phrases, which stand separated by `/` or on lines of their own."""
    parts = [part.strip() for line in phrases.splitlines() for part in line.split(" / ")]
    return re.compile(rf"(?<!\w)(?:{'|'.join(part for part in parts if part)})(?!\w)", re.IGNORECASE)


NEGATION = _any_of("""
    not / never / no / don'?t / without / avoid / must ?n[o'’]t / free of / leave out / refrain
""")
DOUBLE_NEGATION = _any_of(r"""
    (?:do not|don't|never|not) (?:forget|omit|leave out|skip|fail|drop|miss) / no reply without / not without
    (?:no|not|never) (?:be )?(?:more|longer|exceed\w*|above|over|fewer|less)
""")
"""Words of negation that forbid nothing: `don't forget to`, `no more than`."""

CONDITION = _any_of("if / when / whenever / where / unless / in case / should / for tickets")
OTHERWISE = _any_of(
    "otherwise / else / in all other cases / any other / everything else / by default / default"
)

# --- labels -----------------------------------------------------------------------------------------------

ONE_OF = _any_of(r"""
    one of / between / among / teams? / label / labels / categor(?:y|ies) / options? / values? / allowed
    following / choose / pick
""")
"""The phrases before a list of labels."""

CONTRAST = re.compile(
    r"\b(?:but not|not (?:for|when|if|about|where)|never (?:for|when|if)|rather than|instead of|unlike|"
    r"as opposed to|except|other than|(?:does not|doesn't|do not) (?:cover|include|mean))\b|"
    r",\s*not\b|\(not\b|^\W*not\b",
    re.IGNORECASE,
)
"""The phrases between the words for a label and the words against it."""

A_TIE = _any_of("both / between / in doubt / unsure / prefer / either")
"""The phrases that say which of two labels wins."""

ABOUT_THE_ANSWER = _any_of("""
    answer / reply / respond / response / output / print / give / return / choose / pick / use / labels?
    value / word / text / format / explanation / punctuation / sentence
""")
BARE_LABEL = _any_of("""
    only / just / nothing (?:else|more|but) / single / one word / exactly / without / alone
    no (?:other|further|extra|additional|more|explanation|punctuation|sentence|prose)
    do not (?:add|explain)
""")
AS_WRITTEN = _any_of("""
    exactly / lower[- ]?case / small letters / verbatim / unchanged / letter for letter
    character for character / no capitals? / uncapitali[sz]ed
    as (?:it is |they are )?(?:written|spelled|spelt|listed|given|shown)
""")

# --- records ----------------------------------------------------------------------------------------------

ABOUT_THE_FORM = re.compile(r"json|answer|reply|output|respon|return|object|fence|markdown", re.IGNORECASE)
FENCES = _any_of("fences? / markdown / back ?ticks? / code blocks?")
BARE_JSON = _any_of(r"""
    only / just / nothing (?:else|but|before|around) / raw / bare / plain / alone / single json / parsed?
    json\.loads / no (?:other|further|extra|additional|surrounding) (?:text|words?|prose)
    no (?:prose|text|explanation|comment\w*) / start\w* with \W?\{
""")
EXACT_KEYS = re.compile(
    r"\b(exact\w*|these|only|named|no other|spelled|spelt)\b[^.]{0,40}\b(keys?|fields?|names?)\b|"
    r"\b(keys?|fields?)\b[^.]{0,30}\b(exact\w*|only|named|no others?)\b",
    re.IGNORECASE,
)
COPIED = _any_of("""
    lower[- ]?case / exactly / unchanged / copy / copied / verbatim / one of
    as (?:given|written|it (?:is|stands|appears))
""")
AN_ID = _any_of(r"""
    ids? / identifier / code / number / letters? / digits? / exactly / only / just / bracket\w* / one of
    format / pattern / such as / like / without / [A-Z]{2}-\d+
""")
NULL = re.compile(r"(?<!not )(?<!never )\bnull\b", re.IGNORECASE)

# --- replies ----------------------------------------------------------------------------------------------

_WORDS = r"(\d{1,4})\s*words?"
LIMITS = [
    re.compile(
        r"\b(?:at most|no more than|not more than|up to|max(?:imum)?(?: of)?|under|below|within|fewer than|"
        r"less than|more than|exceed|longer than|above|over|"
        r"limit\w*(?: \w+){0,3} to|keep\w*(?: \w+){0,3} to)\s+" + _WORDS,
        re.IGNORECASE,
    ),
    re.compile(
        _WORDS + r"\s*(?:or (?:fewer|less)|at (?:the )?most|maximum|max\b|is the limit)", re.IGNORECASE
    ),
    re.compile(r"\b(?:word limit|length|limit|max_words|maximum)\b\D{0,20}(\d{1,4})\b", re.IGNORECASE),
]
BRIEF = _any_of("short / brief / briefly / concise / few sentences / to the point")
QUOTED = re.compile(r"\"([^\"]{3,80})\"|“([^”]{3,80})”|`([^`]{3,80})`|(?<!\w)['‘]([^'’]{3,80})['’](?!\w)")
ORDER = re.compile(r"\border\b(?!\s+to\b)", re.IGNORECASE)
MISSING = re.compile(
    r"\b(no|without|missing|lacks?|absent|none|unknown|null|empty|omit(s|ted)?|forgot(ten)?|left out)\b|"
    r"(?:\bnot|n['’]t)\s+(been\s+)?(giv|gave|mention|stat|includ|contain|provid|known|there|tell|told|say|nam)\w*|"
    r"\(none\)",
    re.IGNORECASE,
)
QUOTE = re.compile(
    r"\b(quot|mention|includ|stat|repeat|cit|giv|refer|nam|contain|say|writ|show|put|appear|stand|use|restat)\w*",
    re.IGNORECASE,
)
INCLUDE = re.compile(
    r"\b(includ|contain|add|end|clos|sign|start|begin|open|with the (?:words|phrase|sentence))\w*",
    re.IGNORECASE,
)
ASK = re.compile(r"\b(ask|request|inquire)\w*\b", re.IGNORECASE)
PRONOUN = _any_of("it / one / none / that / number / otherwise / else")
PROMISE = re.compile(
    r"\b(promis|commit|guarantee|predict)\w*|\b(dates?|deadlines?|delivery times?|time ?frames?|weekdays?|"
    r"days? of the week)\b",
    re.IGNORECASE,
)
_ORDERS = "do not|don't|never|always|ask|request|quote|mention|include|keep|avoid|stay|no"
NEXT_ORDER = re.compile(
    rf";\s*|,?\s+(?:and|but|or)\s+(?=(?:then |also |please )?(?:{_ORDERS})\b)|,\s+(?=(?:{_ORDERS})\b)|"
    r",\s+(?=(?:otherwise|else)\b)",
    re.IGNORECASE,
)
"""The end of one instruction and the beginning of the next inside a sentence."""
