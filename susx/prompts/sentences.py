"""What of a language model's replies becomes a text about a class, and why the rest does not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from susx.prompts.chatter import (
    FILLER,
    REFUSAL,
    first_turn,
    is_offer,
    is_sentence,
    without_label,
    without_relative,
)
from susx.prompts.lines import ENDED, told_lines
from susx.prompts.lists import EMPHASIS, items
from susx.prompts.thoughts import without_thoughts

MIN_WORDS = 3
MAX_WORDS = 77
"""No sentence of more words fits into CLIP's 77 tokens."""
MAX_DESCRIPTOR_WORDS = 20
LONGEST_REPLY = 10_000
"""Characters of a reply that are looked at: patterns take quadratic time on nonsense."""

MARKUP = re.compile(r"[][{}<>|\\`*#_^=]|&#?\w+;|https?:|www\.")
END = re.compile(r"[.!?…]+[\"'”’)]*(?=\s|$)")
ABBREVIATION = re.compile(r"(?:\b[A-Za-z]|\b(?:St|Mt|Mr|Mrs|Ms|Dr|Jr|No|vs))$")
QUOTES = ' \t"“”'


class UnusableReply(Exception):
    """A reply, or a part of one, that is no text about its class; the message is the reason."""


@dataclass
class Harvest:
    """Texts of a class, and what became of the rest.

    Attributes:
        texts: kept texts, in the order of the replies.
        prefixed: how many of them got the class name put before them.
        dropped: number of replies, or items of lists, by reason.
    """

    texts: list[str] = field(default_factory=list)
    prefixed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    _seen: set[str] = field(default_factory=set)

    @property
    def share(self) -> float:
        """Kept texts among all that were found, in [0, 1]; 0 if there were none."""
        found = len(self.texts) + self.dropped.total()
        return round(len(self.texts) / found, 4) if found else 0.0

    def keep(self, text: str) -> bool:
        """Add a text unless it is there already, whatever its case."""
        fresh = text.casefold() not in self._seen
        self._seen.add(text.casefold())
        if fresh:
            self.texts.append(text)
        else:
            self.dropped["duplicate"] += 1
        return fresh


def descriptions(replies: Iterable[tuple[str, bool]], name: str) -> Harvest:
    """Take one sentence from every reply (text, whether it is finished) about class `name`."""
    harvest = Harvest()
    for reply, finished in replies:
        try:
            sentence = first_sentence(reply, finished, name)
        except UnusableReply as reason:
            harvest.dropped[str(reason)] += 1
            continue
        named = mentions(sentence, name)
        if harvest.keep(sentence if named else f"{name}: {sentence}") and not named:
            harvest.prefixed += 1
    return harvest


def descriptors(replies: Iterable[tuple[str, bool]], name: str) -> Harvest:
    """Take the items of the list in every reply; class `name` needs no mention in them."""
    harvest = Harvest()
    for reply, finished in replies:
        try:
            text, finished = _spoken(reply, finished, name)
            listed, at_end = _listed(text, name)
        except UnusableReply as reason:
            harvest.dropped[str(reason)] += 1
            continue
        for number, item in enumerate(listed, 1):
            try:
                if at_end and not finished and number == len(listed):
                    raise UnusableReply("unfinished")
                harvest.keep(descriptor(item, name))
            except UnusableReply as reason:
                harvest.dropped[str(reason)] += 1
    return harvest


def first_sentence(reply: str, finished: bool, name: str) -> str:
    """Return the first sentence of a reply that says something; it ends in a full stop.

    CuPL (Pratt et al., ICCV 2023) ends replies at the first full stop and drops those with
    markup; here full stops inside numbers, abbreviations and the class name end nothing.

    Raises:
        Unusable: with the reason.
    """
    text, finished = _spoken(reply, finished, name)
    if REFUSAL.search(_without(name, text)):
        raise UnusableReply("refusal")
    for sentence, ended in _sentences(text, finished, name):
        sentence = without_label(_clean(sentence), name).strip(QUOTES)
        words = len(sentence.split())
        if words < MIN_WORDS or sentence.endswith((":", "?")) or _is_offer(sentence, name):
            continue
        if REFUSAL.search(_without(name, sentence)):
            raise UnusableReply("refusal")
        _check(sentence, name, words, MAX_WORDS)
        if not ended or sentence.rstrip(QUOTES + "'’)").endswith(("...", "…")):
            raise UnusableReply("unfinished")
        return sentence if ENDED.search(sentence) else f"{sentence.rstrip(',;-–— ')}."
    raise UnusableReply("no sentence")


def descriptor(item: str, name: str) -> str:
    """Return an item of a list as a phrase, without capital and full stop.

    Raises:
        Unusable: with the reason.
    """
    cleaned = _clean(item.rstrip(",; "))
    phrase = without_relative(cleaned.rstrip(".,;: "))
    if not re.search(r"\w", phrase) or FILLER.fullmatch(phrase.strip("()[]-–—…. ")):
        raise UnusableReply("empty")
    if cleaned.endswith(":"):
        raise UnusableReply("heading")
    if REFUSAL.search(_without(name, phrase)):
        raise UnusableReply("refusal")
    _check(phrase, name, len(phrase.split()), MAX_DESCRIPTOR_WORDS)
    if _is_offer(phrase, name) or is_sentence(_name_pattern(name).sub("X", phrase)):
        raise UnusableReply("sentence")
    capital = phrase[1:2].isupper() or phrase[1:2] == "-"  # UV coat, I-shaped beam
    return phrase if capital else phrase[0].lower() + phrase[1:]


def mentions(text: str, name: str) -> bool:
    """Tell whether a text has the class name, or its plural, as words of their own."""
    return bool(_name_pattern(name).search(" ".join(text.split())))


def _spoken(reply: str, finished: bool, name: str) -> tuple[str, bool]:
    """A reply without thoughts and further turns, and whether it is finished."""
    text, ended = without_thoughts(reply, name)
    if not text:
        raise UnusableReply("only thoughts" if reply.strip() or not finished else "empty")
    said, cut = first_turn(text, name)
    said = said.rstrip()
    return said[:LONGEST_REPLY], (finished or ended or cut) and len(said) <= LONGEST_REPLY


def _listed(text: str, name: str) -> tuple[list[str], bool]:
    """Items of a list, and whether the last one ends the text."""
    listed, at_end = items(text)
    one_line = len([line for line in text.splitlines() if line.strip()]) == 1
    if listed and one_line and is_sentence(_name_pattern(name).sub("X", listed[0])):
        listed = []
    if not listed:
        raise UnusableReply("refusal" if REFUSAL.search(_without(name, text)) else "no list")
    return listed, at_end


def _is_offer(sentence: str, name: str) -> bool:
    """Tell whether a sentence speaks of the talk; one that begins with the class does not.

    A class name with a colon is no beginning, but a label that models put before anything.
    """
    begun = _name_pattern(name).match(sentence)
    if not begun:
        return is_offer(sentence)
    label, colon, said = sentence.partition(":")
    return bool(colon) and label.strip() == begun[0] and is_offer(said.lstrip())


def _name_pattern(name: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, name.split()))
    return re.compile(rf"(?<!\w){words}(?:s|es)?(?!\w)", re.IGNORECASE)


def _without(name: str, text: str) -> str:
    """Remove the class name, whose characters and words are no sign of junk."""
    return _name_pattern(name).sub(" ", text)


def _clean(text: str) -> str:
    """Unwrap emphasis and quotes; one space between words."""
    text = " ".join(EMPHASIS.sub(r"\2", text).split())
    inner = text.strip(QUOTES)
    marks = [found.start() for found in re.finditer('["“”]', inner)]
    closes = bool(marks) and not inner[marks[0] - 1].isspace()
    return text if len(marks) % 2 or closes else inner


def _check(text: str, name: str, words: int, limit: int) -> None:
    if not text.isprintable() or "\ufffd" in text:
        raise UnusableReply("garbled")
    if MARKUP.search(_without(name, text)):
        raise UnusableReply("markup")
    if words > limit:
        raise UnusableReply("too long")


def _sentences(text: str, finished: bool, name: str) -> Iterator[tuple[str, bool]]:
    """Yield the sentences of a text, without bullets, and whether each of them ends there."""
    lines = told_lines(text)
    for number, line in enumerate(lines, 1):
        names = [found.span() for found in _name_pattern(name).finditer(line)]
        start = 0
        for end in END.finditer(line):
            following = line[end.end() :].lstrip()[:1]
            inside = any(first <= end.start() < last for first, last in names)
            goes_on = following.islower() or following.isdigit()
            short = end[0] == "." and ABBREVIATION.search(line[: end.start()])
            if following and (inside or goes_on or short):
                continue
            yield line[start : end.end()].strip(), True
            start = end.end()
        if line[start:].strip():
            yield line[start:].strip(), finished or number < len(lines)
