"""Everyday English: which words mean much the same, and how customers misspell them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_PHRASES = {
    r"\b(money|cash) back\b": "refund",
    r"\b(pay|paid|paying) (\w+ )?back\b": "refund",
    r"\b(send|sends|sent|sending|give|giving|bring|ship|mail) (\w+ ){0,3}back\b": "return",
    r"\bgo back\b": "return",
    r"\b(log|logs|logged|logging|sign|signs|signed|signing)[- ](in|ins|on)\b": "login",
    r"\b(turn|turns|turned|show|shows|showed|shown) up\b": "arrive",
    r"\bpick(ed|ing|s)?[- ]up( point)?\b": "pickup",
    r"\b(second|2nd)[- ]hand\b": "secondhand",
    r"\b(mailing list|unsubscribe\w*|newsletters?)\b": "newsletter",
    r"\bspare parts?\b": "spare",
    r"\b(credit|debit) card\b": "card",
    r"\be-mail": "email",
    r"\b(wasn'?t|was not|isn'?t|not) (me|mine|by me)\b": "stranger",
    r"\bi (didn'?t|did not) do (that|this|it)\b": "stranger",
    r"\b(got|gets?|getting|gotten|broke|breaks?|breaking|hack\w*) into\b": "stranger",
    r"\b(doesn'?t|does not|don'?t|do not|won'?t|not|no longer) (work|heat|switch|start|pop)\w*": "broken",
}

_GROUPS = """
money cash fund funds euro euros eur cent cents
charge charged debit debited deducted deduction
bill billed billing invoice invoices receipt receipts
pay paid payment payments paying
refund refunds refunded refunding reimburse reimbursed reimbursement
return returns returned returning
cancel cancelled canceled cancellation cancels
parcel parcels package packages shipment shipments carton
delivery deliveries deliver delivered delivering
courier couriers carrier carriers driver postman
arrive arrives arrived arrival receive received receives
late delay delayed overdue due
track tracking tracked tracks trace
broken broke break breaks faulty fault defect defective defects malfunction dead died failed failure
damage damaged dent dented crushed smashed shattered shards pieces soaked
crack cracked snapped
repair repairs repaired fix fixed mend workshop
warranty guarantee guaranteed
login password passwords passcode locked unlock
email emails mailbox
account accounts profile profiles
subscription subscriptions plan monthly
twice double duplicate two times identical
wrong incorrect false
exchange exchanges exchanged swap swapped
gift gifts present birthday wedding
address addresses adress street house
hurt injured injury burn burned burning burns smoke smoked sparks spark fire flames shock cut bled danger
hacked hacker stranger intruder
missing lacks lack
price prices cheaper
statement statements
voucher vouchers
discount discounts
point points loyalty club
data gdpr personal erase erased delete deleted
size sizes larger smaller colour color
label labels
spare replacement replacements
advertising advertise newsletter
"""

_SAY_NOTHING = """
a about above after again all also although always am an and answer any anyone anything applies apply
are as ask asks at back be because been before being between both but by came can case cases choose come
concern concerns could customer customer's customers day days decide did do does done doubt down each
either else etc even ever every few fit fits for from get gets getting give given go goes going got had
has have having he hello hers hi him his how i if in instead into is it its itself just know like look
made make makes many may me mean means mention mentions might mine more most much must my need needs
neither never new no nor not nothing now of off on once one only or order ordered orders other our ours
out over own people pick please prefer put question rather same say says see seem seems select she
should since so some something somewhere such team teams than thank thanks that the their them then
there these they thing things this those through ticket tickets to today too try under unsure until up
us use used using very want wanted wants was way we week weeks well went were what when whenever where
whether which while who whose why will wish with without word words would write yes yet you your yours
"""
_STOP_WORDS = frozenset(_SAY_NOTHING.split())


def _squeeze(word: str) -> str:
    """A spelling that common slips share: no doubled letters, no apostrophe."""
    return re.sub(r"(.)\1", r"\1", word.replace("'", "").replace("’", ""))


def _shuffled(word: str) -> str:
    return word[0] + "".join(sorted(word[1:]))


def stem(word: str) -> str:
    """A rough stem: `charged`, `charges` and `charging` become one."""
    for ending in ("ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return _squeeze(word[: -len(ending)])
    return _squeeze(word)


_CONCEPTS: dict[str, str] = {}
for _line in _GROUPS.strip().splitlines():
    _first, *_others = _line.split()
    for _word in (_first, *_others):
        _CONCEPTS.setdefault(stem(_word), stem(_first))
_MISSPELT = {_shuffled(word): concept for word, concept in _CONCEPTS.items() if len(word) >= 5}


@lru_cache(maxsize=4096)
def concept(word: str) -> str:
    """Return the meaning of a single word: the stem of the first word of its group, or its own stem."""
    stemmed = stem(word)
    if stemmed in _CONCEPTS:
        return _CONCEPTS[stemmed]
    return _MISSPELT.get(_shuffled(stemmed), stemmed) if len(stemmed) >= 5 else stemmed


@lru_cache(maxsize=1024)
def concepts(text: str) -> frozenset[str]:
    """The meanings in a text, without words that say nothing."""
    text = text.lower().replace("_", " ")
    found = set()
    for pattern, meaning in _PHRASES.items():
        text, count = re.subn(pattern, " ", text)
        if count:
            found.add(concept(meaning))
    return frozenset(found | set(meanings(re.findall(r"[a-zà-ÿ][a-zà-ÿ'’]*", text))))


def meanings(words: Iterable[str]) -> list[str]:
    """The concepts of words that say something, in order."""
    return [concept(word) for word in words if word not in _STOP_WORDS and len(word) > 2]
