"""What of a language model's replies becomes a text about a class, and why the rest does not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MIN_WORDS = 3
MAX_WORDS = 77
"""No sentence of more words fits into CLIP's 77 tokens."""
MAX_DESCRIPTOR_WORDS = 20
LONGEST_REPLY = 10_000
"""Characters of a reply that are looked at: patterns take quadratic time on nonsense."""

THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
EMPHASIS = re.compile(r"(\*\*|__|\*|`)(?=\S)([^*`]+?)(?<=\S)\1")
MARKUP = re.compile(r"[][{}<>|\\`*#_^=]|&#?\w+;|https?:|www\.")
REFUSAL = re.compile(
    r"^\W*(?:sorry\b|i(?: am|['’]m) (?:sorry|unable|not able)|i apologi[sz]e|unfortunately\b"
    r"|i (?:can ?not|can['’]t|could not|couldn['’]t|do not|don['’]t)\b)"
    r"|\bas an ai\b|\b(?:ai|language) model\b",
    re.IGNORECASE,
)
PLEASANTRY = re.compile(r"(?:sure|certainly|of course|absolutely|okay|ok|yes)[,.!:]", re.IGNORECASE)
END = re.compile(r"[.!?…]+[\"'”’)]*(?=\s|$)")
ENDED = re.compile(r"[.!?…][\"'”’)]*$")
ABBREVIATION = re.compile(r"(?:\b[A-Za-z]|\b(?:St|Mt|Mr|Mrs|Ms|Dr|Jr|No|vs))$")
ITEM = re.compile(r"^\s*(?:[-–—•*+]|\d{1,2}[.)])\s+(.*)")
QUOTES = ' \t"“”'


class Unusable(Exception):
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
        except Unusable as reason:
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
        text, finished = _spoken(reply, finished)
        lines = [line for line in text.splitlines() if line.strip()]
        matches = [(number, ITEM.match(line)) for number, line in enumerate(lines, 1)]
        items = [(number, match[1]) for number, match in matches if match]
        if not items:
            harvest.dropped["refusal" if REFUSAL.search(text) else "no list"] += 1
        for number, item in items:
            try:
                if not finished and number == len(lines):
                    raise Unusable("unfinished")
                harvest.keep(descriptor(item, name))
            except Unusable as reason:
                harvest.dropped[str(reason)] += 1
    return harvest


def first_sentence(reply: str, finished: bool, name: str) -> str:
    """Return the first sentence of a reply that says something; it ends in a full stop.

    CuPL (Pratt et al., ICCV 2023) ends replies at the first full stop and drops those with
    markup; here full stops inside numbers, abbreviations and the class name end nothing.

    Raises:
        Unusable: with the reason.
    """
    text, finished = _spoken(reply, finished)
    if not text:
        raise Unusable("empty")
    if REFUSAL.search(_without(name, text)):
        raise Unusable("refusal")
    for sentence, ended in _sentences(text, finished, name):
        sentence = _clean(sentence)
        words = len(sentence.split())
        if words < MIN_WORDS or sentence.endswith((":", "?")) or PLEASANTRY.match(sentence):
            continue
        _check(sentence, name, words, MAX_WORDS)
        if not ended or sentence.rstrip(QUOTES + "'’)").endswith(("...", "…")):
            raise Unusable("unfinished")
        return sentence if ENDED.search(sentence) else f"{sentence.rstrip(',;-–— ')}."
    raise Unusable("no sentence")


def descriptor(item: str, name: str) -> str:
    """Return an item of a list as a phrase, without capital and full stop.

    Raises:
        Unusable: with the reason.
    """
    phrase = _clean(item).rstrip(".,;: ")
    if not phrase:
        raise Unusable("empty")
    if REFUSAL.search(_without(name, phrase)):
        raise Unusable("refusal")
    _check(phrase, name, len(phrase.split()), MAX_DESCRIPTOR_WORDS)
    acronym = phrase[1:2].isupper()
    return phrase if acronym else phrase[0].lower() + phrase[1:]


def mentions(text: str, name: str) -> bool:
    """Tell whether a text has the class name, or its plural, as words of their own."""
    return bool(_name_pattern(name).search(" ".join(text.split())))


def _spoken(reply: str, finished: bool) -> tuple[str, bool]:
    """A reply without its thoughts, and whether it is finished."""
    head, mark, tail = reply.rpartition("</think>")
    text = f"{THOUGHTS.sub('', head + mark)}{tail}".strip()
    return text[:LONGEST_REPLY], finished and len(text) <= LONGEST_REPLY


def _name_pattern(name: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, name.split()))
    return re.compile(rf"(?<!\w){words}(?:s|es)?(?!\w)", re.IGNORECASE)


def _without(name: str, text: str) -> str:
    """Remove the class name, whose characters and words are no sign of junk."""
    return _name_pattern(name).sub(" ", text)


def _clean(text: str) -> str:
    """Unwrap emphasis and quotes; one space between words."""
    return " ".join(EMPHASIS.sub(r"\2", text).split()).strip(QUOTES)


def _check(text: str, name: str, words: int, limit: int) -> None:
    if not text.isprintable() or "\ufffd" in text:
        raise Unusable("garbled")
    if MARKUP.search(_without(name, text)):
        raise Unusable("markup")
    if words > limit:
        raise Unusable("too long")


def _sentences(text: str, finished: bool, name: str) -> Iterator[tuple[str, bool]]:
    """Yield the sentences of a text, without bullets, and whether each of them ends there."""
    lines = [ITEM.sub(r"\1", line).strip() for line in text.splitlines() if line.strip()]
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
