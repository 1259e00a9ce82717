"""Search of captions: class names and aliases, found in one pass over the captions of a shard.

This needs no embeddings: 100 bytes per image instead of 1,000. A candidate scores the higher, the
more of its caption is the name, so that short captions about one thing come before long ones and
lists; the images are ranked again by an encoder once they are downloaded.
"""

from __future__ import annotations

import heapq
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from susx.core.columns import records
from susx.core.plain import GARBLED_CAPTIONS, LONGEST_CAPTION, address, is_garbled
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import Table
from susx.pools.web import WebShard
from susx.prompts.spelling import plurals, unaccented
from susx.support.account import GARBLED_ROWS, NO_ADDRESS, NO_CAPTION, SEARCHED
from susx.support.remote import ROWS_AT_ONCE, candidate_fields, opened_parquet
from susx.support.retrieval import Candidate, passes

Name = tuple[int, str]
"""Label of a class, and one of its names as the class manifest spells it."""
SEPARATORS = str.maketrans({"_": " ", "-": " ", "/": " ", "’": "'"})
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Characters of scripts that leave no space between words: Thai, Lao, Burmese, Khmer, Hiragana and
the Chinese ones."""
KATAKANA = re.compile("[\u30a0-\u30ff\u31f0-\u31ff]")
"""Foreign words in Japanese: without spaces, too, but not mixed with other scripts."""
HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")
"""Korean has spaces, but particles follow a word without one."""


def folded(text: str) -> str:
    """Text as names are compared: without case, accents, hyphens and double spaces."""
    return " ".join(unaccented(text).casefold().translate(SEPARATORS).split())


def begins_word(text: str, start: int) -> bool:
    """Whether a word may begin at a place of a text."""
    return not start or not _are_joined(text[start - 1], text[start])


def ends_word(text: str, end: int) -> bool:
    """Whether a word may end before a place of a text."""
    if end >= len(text):
        return True
    return bool(HANGUL.match(text[end - 1])) or not _are_joined(text[end - 1], text[end])


def _are_joined(one: str, other: str) -> bool:
    """Whether two neighbours are letters or digits of one word."""
    if not (one.isalnum() and other.isalnum()) or UNSPACED.match(one) or UNSPACED.match(other):
        return False
    return all(
        bool(script.match(one)) == bool(script.match(other)) for script in (KATAKANA, HANGUL)
    )


class NameFinder:
    """Finds class names and aliases in captions.

    A name counts, in singular or plural, where it stands between word boundaries, if its script has
    any, and is not part of a longer name. An alias that is also a name or alias of another class is
    not looked for, nor a plural that is the name of another class.
    """

    def __init__(self, classes: ClassManifest) -> None:
        from ahocorasick_rs import AhoCorasick

        owners: dict[str, set[Name]] = defaultdict(set)
        names = {folded(entry.name) for entry in classes}
        for entry in classes:
            # The first of several spellings that are compared alike stands for all of them.
            spelt = {folded(name): name for name in (*entry.aliases[::-1], entry.name)}
            for name, spelling in spelt.items():
                if name and (name == folded(entry.name) or name not in names):
                    for form in plurals(name):
                        if form == name or form not in names:  # `glasses` are no `glass`
                            owners[form].add((entry.index, spelling))
        shared = {
            form
            for form, named in owners.items()
            if len({label for label, _ in named}) > 1 and form not in names
        }
        patterns = [form for form in owners if form not in shared]
        self._owners = [sorted(owners[form]) for form in patterns]
        self._automaton = AhoCorasick(patterns)

    @property
    def names(self) -> list[Name]:
        """All names that are looked for, by class."""
        return sorted({name for owners in self._owners for name in owners})

    def find(self, caption: str) -> dict[int, float]:
        """Classes that a caption names, with the share of it that is the name.

        Only the first `LONGEST_CAPTION` characters are searched.
        """
        return class_scores(self.find_names(caption))

    def find_names(self, caption: str) -> dict[Name, float]:
        """The same by name: the share of the caption that each name of a class is."""
        text = folded(caption[:LONGEST_CAPTION])
        hits = [
            (start, end, pattern)
            for pattern, start, end in self._automaton.find_matches_as_indexes(
                text, overlapping=True
            )
            if begins_word(text, start) and ends_word(text, end)
        ]
        found: dict[Name, float] = {}
        reached = 0
        for start, end, pattern in sorted(hits, key=lambda hit: (hit[0], -hit[1])):
            if end <= reached:  # lies within one that begins no later
                continue
            reached = end
            for name in self._owners[pattern]:
                found[name] = max(found.get(name, 0.0), (end - start) / len(text))
        return found


def class_scores(found: Mapping[Name, float]) -> dict[int, float]:
    """Scores of the classes that a caption names, of the shares of its names."""
    shares: dict[int, float] = {}
    for (label, _), share in found.items():
        shares[label] = max(shares.get(label, 0.0), share)
    return {label: share / len(shares) for label, share in shares.items()}


@dataclass(frozen=True)
class NameRequest:
    """What one support set asks of the captions of a shard.

    Attributes:
        classes: whose names are looked for.
        limit: candidates per class.
    """

    classes: ClassManifest
    limit: int

    @property
    def n_hits(self) -> int:
        """Hits that are held at most."""
        return len(self.classes) * self.limit


def match_captions(requests: Iterable[NameRequest], shard: WebShard, name: str) -> Iterator[Table]:
    """Find the captions of a shard that are most about every class.

    They are read once for as many requests as their hits fit in memory.

    Args:
        requests: what is asked for.
        shard: Parquet file of addresses and captions.
        name: name of the shard.

    Returns:
        Per request a table of Candidate, by class and falling score: the share of the caption that
        is the name, divided by the number of classes that it names; ties by row order. `meta`
        counts rows that were searched, of these apart those whose caption is garbled, and those
        that have no address or no caption; and under `names`, for every class and name that is
        looked for, the rows searched whose caption has it.

    Raises:
        InputError: if the file is broken or lacks a column.
    """
    for group in passes(requests):
        yield from _matched(group, shard, name)


def _matched(requests: Sequence[NameRequest], shard: WebShard, name: str) -> Iterator[Table]:
    searches = [_Search(request.classes, request.limit) for request in requests]
    rows: Counter[str] = Counter()
    for row, record, named, called in _records(shard, [search.finder for search in searches]):
        placed, captioned = address(record[called.url_column]), record[called.caption_column]
        if not (placed and captioned):
            rows[NO_CAPTION if placed else NO_ADDRESS] += 1
            continue
        rows[GARBLED_ROWS if is_garbled(captioned) else SEARCHED] += 1
        for search, shares in zip(searches, named, strict=True):
            if shares:
                search.add(row, shares, partial(candidate_fields, record, called), name)
    if rows[GARBLED_ROWS]:
        logging.warning("%s: " + GARBLED_CAPTIONS, shard.path, rows[GARBLED_ROWS])
    for search in searches:
        yield search.table(rows)


class _Search:
    """The captions that are most about every class of one list."""

    def __init__(self, classes: ClassManifest, limit: int) -> None:
        self.finder = NameFinder(classes)
        self._classes, self._limit = classes, limit
        self._best: dict[int, list[tuple[float, int, Candidate]]] = defaultdict(list)
        self._named_by: Counter[Name] = Counter()

    def add(
        self,
        row: int,
        shares: Mapping[Name, float],
        fields: Callable[[], dict[str, str]],
        shard: str,
    ) -> None:
        """Take a caption that names something."""
        self._named_by.update(shares.keys())
        for label, score in class_scores(shares).items():
            heap = self._best[label]
            if len(heap) == self._limit and (score, -row) <= heap[0][:2]:
                continue
            candidate = Candidate(label, label, score, shard, f"{row:09d}", **fields())
            push = heapq.heappush if len(heap) < self._limit else heapq.heapreplace
            push(heap, (score, -row, candidate))

    def table(self, rows: Mapping[str, int]) -> Table:
        """What was found among all rows."""
        best = self._best
        hits = [hit[2] for label in sorted(best) for hit in sorted(best[label], reverse=True)]
        names: dict[str, dict[str, int]] = defaultdict(dict)
        for label, name in self.finder.names:
            names[self._classes.names[label]][name] = self._named_by[label, name]
        return Table(hits, self._classes.sha256, {"rows": dict(rows), "names": dict(names)})


def _records(
    pool: WebShard, finders: Sequence[NameFinder]
) -> Iterator[tuple[int, dict[str, Any], list[dict[Name, float]], WebShard]]:
    """Rows by number, with what each finder finds in their captions, and the names of columns.

    Equal captions of a batch are searched once.
    """
    row = 0
    with opened_parquet(pool.path, pool, captioned=True) as (file, there, shard):
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=there):
            known: dict[str, list[dict[Name, float]]] = {}
            for record in records(batch):
                caption = record[shard.caption_column] or ""
                if caption not in known:
                    known[caption] = [finder.find_names(caption) for finder in finders]
                yield row, record, known[caption], shard
                row += 1
