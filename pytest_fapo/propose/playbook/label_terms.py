"""Words and phrases that tell labels apart, learned from labeled texts."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_GRAMMAR = """
a an the this that these those i you he she it we they me him her us them my your his its our their
mine yours myself yourself somebody someone something anything anyone everything everyone nobody is
are was were be been being am do does did doing done have has had having will would shall should can
could may might must and or but if then than so as of at by for from in into on onto to with about
above after before below over under again further there here when where which who whom whose what
why how all any both each few more most less least other another some such only own same too very
just also because while since until unless during between through within along across up down out
off still even ever yet already soon later once twice really quite rather almost much many several
lot lots bit well like though although however instead anyway maybe perhaps ive im id ill youre
youve its dont didnt doesnt cant couldnt wont wouldnt isnt wasnt arent werent havent hasnt hadnt
shouldnt theyre weve thats whats theres ur u
"""

_EVERYDAY = """
please thanks thank hi hello dear hey regards best kind kindly sincerely greetings sorry good
morning evening afternoon day days today tomorrow yesterday tonight time times week weeks month
months year years hour hours minute minutes ago monday tuesday wednesday thursday friday saturday
sunday january february march april may june july august september october november december spring
summer autumn winter one two three four five six seven eight nine ten first second third last next
new old big small long short little whole full half get gets got getting go goes going gone went
come comes coming came take takes taking took make makes making made maker give gives giving gave
given put puts use uses used using want wants wanted need needs needed know knows knew known think
thinks thought say says said tell tells told ask asks asked see sees saw seen look looks looked
looking let lets try tries tried trying find finds found keep keeps kept leave leaves left seem
seems seemed help helps helped happen happens happened start starts started stop stops stopped work
works call calls called write writes written wrote read hear heard show shows showed mean means
meant feel feels felt hope hopes believe understand way ways thing things people person man woman
friend husband wife mother father son daughter end part place side house home hand hands question
questions answer reason reasons example page site website info information issue issues problem
problems matter case right wrong sure able possible really actually currently now never always often
sometimes back away around together enough else different such nice bad better
"""

COMMON_WORDS = frozenset((_GRAMMAR + _EVERYDAY).split())

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\S*\d\S*|[.!?\n]")

_ADDRESS = re.compile(r"https?://\S+|\S+@\S+|www\.\S+")

_NEGATIONS = frozenset(["not", "no", "never", "without", "nothing"])

_PARTICLES = frozenset(["back", "away", "twice"])
"""They make a phrase of the word before (`sent back`); a preposition makes a scrap (`password in`)."""

EVERYWHERE = 0.2
"""A word of so many of the texts, under most labels, stands at no end of a phrase: in any language."""

MOST_CHARS = 8_000

_SUFFIXES = ("ations", "ation", "ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "s", "e", "y")


@dataclass(frozen=True)
class Term:
    """A word or phrase that speaks for a label."""

    stem: str
    surface: str
    """As most of the texts write it."""
    hits: int
    """Texts of the label that hold it."""
    misses: int
    """Texts of other labels that hold it."""

    @property
    def precision(self) -> float:
        total = self.hits + self.misses
        return self.hits / total if total else 0.0


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return a rough stem, the same for `refund`, `refunds` and `refunded`."""
    word = word.lower().replace("’", "'").removesuffix("'s").replace("'", "")
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            base = word[: -len(suffix)]
            if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz":
                base = base[:-1]
            return base
    return word


def terms_in(text: str) -> dict[str, str]:
    """Return the terms of a text: stem (or two stems) -> surface. Words with digits never take part."""
    return dict(_terms(text[:MOST_CHARS]))


@lru_cache(maxsize=2048)
def _terms(text: str) -> tuple[tuple[str, str], ...]:
    terms: dict[str, str] = {}
    before = ""
    for token in _WORD.findall(_ADDRESS.sub(" 0 ", text)):
        word = token.lower().replace("’", "'")
        if not token[0].isalpha() or any(char.isdigit() for char in token):
            before = ""
            continue
        bare = word.replace("'", "")
        content = bare not in COMMON_WORDS and len(bare) > 2 and bare not in _NEGATIONS
        if content:
            terms.setdefault(stem(word), word)
        if before and (content or bare in _PARTICLES) and before.replace("'", "") not in COMMON_WORDS:
            terms.setdefault(f"{stem(before)} {stem(word)}", f"{before} {word}")
        before = word
    return tuple(terms.items())


def names_in(texts: Sequence[str]) -> frozenset[str]:
    """Stems that are mostly written with a capital inside sentences: people, brands, places."""
    capital: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for text in texts:
        for match in re.finditer(r"(?<=[a-z,;] )[^\W\d_]+", text):
            word = match.group()
            total[stem(word)] += 1
            capital[stem(word)] += word[0].isupper() and not word.isupper()
    return frozenset(word for word, count in capital.items() if count >= 0.6 * total[word])


class Lexicon:
    """Term statistics of labeled texts.

    Args:
        texts: label -> its texts, each of a different case.
    """

    def __init__(self, texts: Mapping[str, Sequence[str]]) -> None:
        self.sizes = {label: len(listed) for label, listed in texts.items()}
        self.total = sum(self.sizes.values())
        every = [text for listed in texts.values() for text in listed]
        names = names_in(every)
        self._surfaces: dict[str, Counter[str]] = defaultdict(Counter)
        self.documents: dict[str, list[frozenset[str]]] = {}
        counts: dict[str, Counter[str]] = {}
        for label, listed in texts.items():
            counts[label] = Counter()
            self.documents[label] = []
            for text in listed:
                terms = {key: word for key, word in terms_in(text).items() if not set(key.split()) & names}
                self.documents[label].append(frozenset(terms))
                counts[label].update(terms.keys())
                for key, word in terms.items():
                    self._surfaces[key][word] += 1
        self.counts = counts
        self.everywhere: Counter[str] = Counter()
        for counted in counts.values():
            self.everywhere.update(counted)

    def speaking(self, label: str, *, least: int = 2) -> list[Term]:
        """Return the terms that speak for a label, most telling first.

        The rarer a term is, the more of the texts that hold it must have this label.
        """
        size, others = self.sizes[label], self.total - self.sizes[label]
        ranked: list[tuple[float, Term]] = []
        for key, hits in self.counts[label].items():
            misses = self.everywhere[key] - hits
            rate, other_rate = (hits + 0.1) / (size + 1), (misses + 0.1) / (others + 1)
            if " " in key and any(self._is_everywhere(part) for part in key.split()):
                continue
            if hits < least or hits / (hits + misses) < _precision(hits) or rate <= 2 * other_rate:
                continue
            odds = math.log(rate / other_rate)
            weight = odds * math.sqrt(hits)
            ranked.append((weight, Term(key, self.surface(key), hits, misses)))
        ranked.sort(key=lambda pair: (-pair[0], pair[1].stem))
        return [term for _, term in ranked]

    def _is_everywhere(self, word: str) -> bool:
        """True for a word that stands in many texts of most labels, as articles and prepositions do."""
        if word in _NEGATIONS or self.everywhere[word] < max(4, EVERYWHERE * self.total):
            return False
        return sum(counted[word] > 0 for counted in self.counts.values()) > 0.6 * len(self.counts)

    def cover(
        self,
        label: str,
        limit: int,
        *,
        urgent: Sequence[bool] = (),
        start: Sequence[Term] = (),
        least: int = 2,
    ) -> list[Term]:
        """Return a few terms that together occur in as many texts of a label as they can.

        Args:
            label: the label.
            limit: how many terms at most, those of `start` not counted.
            urgent: for each text of the label, whether it matters most (it fails today).
            start: terms that are chosen already.
            least: in how many texts of the label a term must occur.
        """
        candidates = [term for term in self.speaking(label, least=least) if not _repeats(term, start)]
        documents = self.documents[label]
        weights = [
            3.0 if number < len(urgent) and urgent[number] else 1.0 for number in range(len(documents))
        ]
        chosen = list(start)
        covered = [sum(term.stem in document for term in start) for document in documents]
        while candidates and len(chosen) < limit + len(start):
            best = max(
                candidates,
                key=lambda term: (self._gain(term, documents, weights, covered), term.hits, term.stem),
            )
            if self._gain(best, documents, weights, covered) <= 0:
                break
            chosen.append(best)
            for number, document in enumerate(documents):
                covered[number] += best.stem in document
            candidates = [term for term in candidates if not _repeats(term, chosen)]
        return chosen

    def term(self, label: str, words: str) -> Term:
        """Return a term in its writer's words, with its statistics."""
        key = " ".join(stem(word) for word in words.split())
        hits = self.counts[label][key]
        return Term(key, words, hits, self.everywhere[key] - hits)

    def surface(self, key: str) -> str:
        """Return the most frequent spelling of a term; the shorter of equals."""
        counted = self._surfaces[key]
        return min(counted, key=lambda word: (-counted[word], len(word), word))

    @staticmethod
    def _gain(
        term: Term, documents: Sequence[frozenset[str]], weights: Sequence[float], covered: Sequence[int]
    ) -> float:
        """New texts count in full, texts that have a term already much less; rare and doubtful terms less."""
        total = sum(
            weight / (1 + 3 * seen)
            for document, weight, seen in zip(documents, weights, covered, strict=True)
            if term.stem in document
        )
        return total * term.precision**2


def _precision(hits: int) -> float:
    if hits <= 2:
        return 1.0
    return 0.5 if hits >= 5 else 0.7


def _repeats(term: Term, chosen: Sequence[Term]) -> bool:
    """A word that a chosen phrase holds already, or a phrase around a chosen word."""
    parts = set(term.stem.split())
    return any(parts <= set(other.stem.split()) or set(other.stem.split()) <= parts for other in chosen)
