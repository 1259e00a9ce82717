"""From candidates of the web to a support set: download in waves until every class has its quota.

The images of a class are the first good ones in the order of its candidates, however the waves
were cut; so the same candidates and the same answers give the same support set.
"""

from __future__ import annotations

import hashlib
import logging
import math
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from susx.core.errors import InputError, listing
from susx.core.files import sha256_json
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import SupportRecord, Table
from susx.support.account import UNTRIED, support_account
from susx.support.duplicates import Originals
from susx.support.judge import Judge
from susx.support.refusal import RefusalLimits, refusal
from susx.support.retrieval import Candidate
from susx.support.selection import write_images
from susx.support.waves import (
    UNSENT,
    DownloadRules,
    Outcome,
    etiquette_of,
    fetch_wave,
    may_pass,
    read_wave,
)
from susx.web.etiquette import crawler

WAVE_SIZE = 2000
OFFLINE = 50
ANYHOW = ("threads", "timeout", "retries", "patience", "user_agent")
"""Rules that say how images are fetched, not which are kept: what is there stays valid."""

Ranking = Sequence[Sequence[Candidate]]


@dataclass(frozen=True)
class ImageQuota:
    """How many images.

    Attributes:
        size: per class, in the end.
        quota: per class, downloaded; more than `size` if their embeddings are looked at.
        wave_factor: images tried per missing one in a wave.
        source: what the candidates come from, for provenance.
        refuse: limits on the metadata of candidates, see `susx.support.refusal`.
    """

    size: int
    quota: int
    wave_factor: float
    source: str
    refuse: RefusalLimits = field(default_factory=dict)


def download_images(
    ranking: Ranking, wanted: ImageQuota, rules: DownloadRules, folder: str | Path, images: str = ""
) -> dict[str, Outcome]:
    """Download candidates in waves until every class has its quota or none is left.

    Complete waves of earlier runs are in `folder` and are not repeated, but for addresses that
    failed for a reason that may have passed.

    Args:
        ranking: candidates per class, best first.
        wanted: numbers.
        rules: what is fetched.
        folder: where waves are kept, in a subfolder of their own for every set of rules.
        images: folder of images that are read, where addresses are paths below it.

    Returns:
        What became of every address that this request needs, its latest outcome, whenever it was
        fetched, and of those that are refused untried. What earlier requests needed beyond that is
        left out, as if it had not been tried.

    Raises:
        InputError: if no address can be reached, or the disk is full; finished waves are kept.
    """
    judging = {k: v for k, v in vars(rules).items() if k not in ANYHOW}
    judging["crawler"] = crawler(rules.user_agent)
    home = Path(folder) / sha256_json(judging)[:12]
    waves = sorted(p for p in home.iterdir() if p.name.isdigit()) if home.is_dir() else []
    latest = {outcome.url: outcome for wave in waves for outcome in read_wave(wave)}
    known = {url: outcome for url, outcome in latest.items() if not may_pass(outcome.reason)}
    tried = len(known)
    etiquette = etiquette_of(rules)
    outcomes = _refused(ranking, wanted.refuse)
    number = len(waves)
    while wave := _next_wave(ranking, wanted, outcomes):
        outcomes.update((url, known[url]) for url in wave if url in known)
        urls = [url for url in wave if url not in known]
        for start in range(0, len(urls), WAVE_SIZE):
            part = urls[start : start + WAVE_SIZE]
            found = fetch_wave(part, rules, home / f"{number:05d}", etiquette, images)
            lost = all(UNSENT.search(outcome.reason) for outcome in found)
            if lost and (not tried or len(part) >= OFFLINE):
                _forget(home / f"{number:05d}")
                check = f"the images lie in {images}" if images else "this machine is online"
                raise InputError(
                    f"none of {len(part)} addresses could be reached ({found[0].url}: "
                    f"{found[0].reason}); see whether {check} and run again, finished downloads "
                    "are kept"
                )
            outcomes.update((outcome.url, outcome) for outcome in found)
            tried += len(found)
            good = sum(not outcome.reason for outcome in found)
            logging.info("wave %d: %d of %d images", number, good, len(part))
            number += 1
    return outcomes


def _refused(ranking: Ranking, limits: RefusalLimits) -> dict[str, Outcome]:
    """Addresses that their metadata refuse, in all classes that found them."""
    found = (c for candidates in ranking for c in candidates)
    reasons = {c.url: reason for c in found if (reason := refusal(c.metadata, limits))}
    return {url: Outcome(url, reason=reason) for url, reason in reasons.items()}


def _forget(wave: Path) -> None:
    import shutil

    shutil.rmtree(wave)


def _next_wave(ranking: Ranking, wanted: ImageQuota, outcomes: Mapping[str, Outcome]) -> list[str]:
    """Addresses to try next, each once, class after class."""
    urls: dict[str, None] = {}
    for candidates in ranking:
        good, untried = Originals(), []
        for candidate in candidates:
            outcome = outcomes.get(candidate.url)
            if outcome is None:
                untried.append(candidate.url)
            elif not outcome.reason:
                good.admit(outcome.fingerprint, room=wanted.quota)
            if len(good) == wanted.quota:
                break
        missing = wanted.quota - len(good)
        most = math.ceil(missing * wanted.wave_factor) if missing else len(untried)
        urls.update(dict.fromkeys(untried[:most]))
    return list(urls)


def collect_downloads(
    ranking: Ranking,
    outcomes: Mapping[str, Outcome],
    classes: ClassManifest,
    wanted: ImageQuota,
    images: str | Path,
    judge: Judge | None = None,
    pool: Mapping[str, int] | None = None,
) -> Table:
    """Write the support set of downloaded images.

    Args:
        ranking: candidates per class, best first.
        outcomes: what became of the addresses.
        classes: class manifest; its index is the label of a support image.
        wanted: numbers.
        images: tar to write; keys are those of the returned manifest.
        judge: chooses `size` of the `quota` images by their embeddings.
        pool: rows of the pool that were searched, or left out, by reason.

    Returns:
        Table of SupportRecord, one row per candidate; `reason` says why one is not kept.
    """
    records = [
        record
        for entry, candidates in zip(classes, ranking, strict=True)
        for record in _judged(entry.index, entry.name, candidates, outcomes, wanted)
    ]
    by_key = {record.key: outcomes[record.url] for record in records if record.kept}
    write_images(images, _stored(by_key))
    if judge is not None:
        quota = Table(records, classes.sha256, support_account(records, classes, wanted.quota))
        records = judge.judged(quota, Path(images))
        write_images(images, _stored({r.key: by_key[r.key] for r in records if r.kept}))
    meta = support_account(records, classes, wanted.size, pool, wanted.refuse)
    if short := meta["short_classes"]:
        logging.warning("fewer than %d images: %s", wanted.size, listing(short, 20))
    return Table(records, classes.sha256, meta)


def _judged(
    label: int,
    name: str,
    candidates: Sequence[Candidate],
    outcomes: Mapping[str, Outcome],
    wanted: ImageQuota,
) -> Iterator[SupportRecord]:
    seen = Originals()
    for rank, candidate in enumerate(candidates):
        outcome = outcomes.get(candidate.url, Outcome(candidate.url, reason=UNTRIED))
        reason = outcome.reason or seen.admit(outcome.fingerprint, room=wanted.quota)
        yield SupportRecord(
            key=f"{label:05d}-{rank:05d}",
            label=label,
            class_name=name,
            rank=rank,
            score=candidate.score,
            source=wanted.source,
            location=f"{candidate.shard}#{candidate.key}",
            caption=candidate.caption,
            sha256=outcome.sha256,
            width=outcome.width,
            height=outcome.height,
            kept=not reason,
            reason=reason,
            fingerprint=outcome.fingerprint,
            url=candidate.url,
            metadata=candidate.metadata,
            query=candidate.query,
        )


def _stored(images: Mapping[str, Outcome]) -> Iterator[tuple[str, bytes]]:
    """Bytes of downloaded images, read from their tars in the order asked for."""
    tars: dict[str, tarfile.TarFile] = {}
    try:
        for key, outcome in images.items():
            if outcome.tar not in tars:
                tars[outcome.tar] = tarfile.open(outcome.tar)  # noqa: SIM115
            stream = tars[outcome.tar].extractfile(f"{outcome.key}.jpg")
            if stream is None:
                raise InputError(f"{outcome.tar}: {outcome.key} is gone; delete the folder")
            data = stream.read()
            if hashlib.sha256(data).hexdigest() != outcome.sha256:
                raise InputError(f"{outcome.tar}: {outcome.key} is damaged; delete the folder")
            yield key, data
    except (OSError, KeyError, EOFError, tarfile.TarError) as error:
        raise InputError(f"downloads are damaged ({error}); delete their folder") from None
    finally:
        for tar in tars.values():
            tar.close()
