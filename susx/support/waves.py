"""One wave of downloads: a list of addresses, fetched by img2dataset into webdataset tars."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from susx.core.errors import InputError
from susx.core.files import read_checked, sha256_file
from susx.images.decode import decode
from susx.images.fingerprints import fingerprint
from susx.images.rgb import UnreadableImage
from susx.pools.shards import Shard, read_shard
from susx.support.local_images import MISSING, note_wave, read_local, write_wave
from susx.web.etiquette import RESTING, Etiquette
from susx.web.guard import Limits, guarded

PASSING = re.compile(
    r"timed out|reset|refused|unreachable|aborted|HTTP Error (408|425|429|5\d\d)|IncompleteRead|"
    r"Temporary failure|closed connection|Broken pipe|EOF occurred|" + RESTING,
    re.IGNORECASE,
)
"""Errors that may be gone next time."""
ASKS_TO_WAIT = re.compile(r"HTTP Error (429|503)")
"""Those of hosts that may have asked to wait."""
MOST_ASKED = 100
"""How often an address is asked whose host asks to wait: a third of the patience as shipped, at
rests of a second."""
UNSENT = re.compile(
    r"unreachable|Connection refused|Temporary failure|Name or service|No address|" + MISSING,
    re.IGNORECASE,
)
"""Errors of hosts that were not reached at all, and of files that are not there."""
LONGEST_REASON = 300


@dataclass(frozen=True)
class DownloadRules:
    """What is fetched and kept; see `DownloadSettings` in susx/config/pools.py."""

    threads: int
    timeout: int
    retries: int
    user_agent: str
    robots: Sequence[str]
    robots_txt: bool
    patience: int
    allow_private: bool
    max_mib: int
    min_size: int
    max_aspect_ratio: float


@dataclass(frozen=True)
class Outcome:
    """What became of an address: an image `key` of a tar, or a reason why there is none."""

    url: str
    tar: str = ""
    key: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    fingerprint: str = ""
    reason: str = ""


def etiquette_of(rules: DownloadRules) -> Etiquette:
    """What remembers, for all waves of a run, what hosts asked for."""
    return Etiquette(rules.user_agent, rules.robots, rules.robots_txt, rules.patience)


def may_pass(reason: str) -> bool:
    """Whether a failure may be gone in another run: the next one tries the address again."""
    return bool(PASSING.search(reason) or UNSENT.search(reason))


def fetch_wave(
    urls: Sequence[str], rules: DownloadRules, folder: Path, etiquette: Etiquette, images: str = ""
) -> list[Outcome]:
    """Fetch distinct addresses into a new folder, which appears when it is complete.

    With a folder of `images`, addresses are paths below it, and nothing is fetched from the web.

    What failed for a passing reason is tried again after all others, up to `retries` times; what
    its host asked to wait for, as long as patience lasts.

    Raises:
        InputError: if images could not be written; then nothing is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    waiting, ready = list(urls), list(urls)
    tries: Counter[tuple[str, str]] = Counter()
    try:
        for attempt in count():
            part = temporary / str(attempt)
            if images:
                _read_images(ready, rules, part, images)
            else:
                _download(ready, rules, part, etiquette)
            asked = set(ready)
            again = [o for o in _outcomes(part) if _is_tried_again(o, rules, tries, etiquette)]
            waiting = [url for url in waiting if url not in asked] + [o.url for o in again]
            if not waiting or not etiquette.wait(map(quoted, waiting)):
                break
            ready = [url for url in waiting if etiquette.rest(quoted(url)) <= 0]
        read_wave(temporary, complete=True)
        temporary.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return read_wave(folder)


def _is_tried_again(
    outcome: Outcome, rules: DownloadRules, tries: Counter[tuple[str, str]], etiquette: Etiquette
) -> bool:
    if RESTING in outcome.reason:  # its host was not asked
        return True
    if not PASSING.search(outcome.reason):
        return False
    waits = ASKS_TO_WAIT.search(outcome.reason) and etiquette.asked_to_wait(quoted(outcome.url))
    kind = "waits" if waits else "fails"
    tries[outcome.url, kind] += 1
    return tries[outcome.url, kind] <= (MOST_ASKED if waits else rules.retries)


def read_wave(folder: Path, complete: bool = False) -> list[Outcome]:
    """What became of the addresses of a wave; of several attempts, the last counts.

    Args:
        folder: as `fetch_wave` made it.
        complete: whether to check that the tars hold all images that they should.

    Raises:
        InputError: if the folder is damaged.
    """
    found: dict[str, Outcome] = {}
    for part in sorted(folder.iterdir(), key=lambda path: int(path.name)):
        outcomes = _outcomes(part)
        found.update((outcome.url, outcome) for outcome in outcomes)
        if complete:
            stored = {s.key for s in read_shard(Shard("webdataset", str(part / "0.tar")))}
            if stored != {outcome.key for outcome in outcomes if not outcome.reason}:
                raise InputError(f"{part}: downloads are incomplete; {AGAIN}")
    return list(found.values())


AGAIN = "see whether the disk is full and run again"


def _outcomes(part: Path) -> list[Outcome]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    notes = read_checked(part / "fingerprints.json", f"delete the folder {part}")
    fingerprints = notes["fingerprints"]
    try:
        if sha256_file(part / "0.parquet") != notes["parquet"]:
            raise InputError(f"{part}: downloads are damaged; delete the folder")
        records = pq.read_table(part / "0.parquet").to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{part}: downloads are damaged ({error}); delete the folder") from None
    outcomes = []
    for record in sorted(records, key=lambda record: str(record["key"])):
        if record["status"] == "success":
            size = record["width"], record["height"]
            place = str(part / "0.tar"), record["key"], record["sha256"]
            look = fingerprints[record["sha256"]]
            outcomes.append(Outcome(record["address"], *place, *size, look))
        else:
            outcomes.append(Outcome(record["address"], reason=_worded(record["error_message"])))
    return outcomes


def _worded(message: str | None) -> str:
    """A reason without what urllib wraps around it."""
    text = re.sub(r"^<urlopen error (.*)>$", r"\1", str(message))
    return re.sub(r"^\[Errno -?\d+\] ", "", text)[:LONGEST_REASON] or "no response"


class Inspector:
    """Stands in for img2dataset's resizer: checks an image and keeps its bytes as they are."""

    def __init__(self, rules: DownloadRules) -> None:
        self._rules = rules
        self.fingerprints: dict[str, str] = {}

    def __call__(self, stream: io.BytesIO, _boxes: Any = None) -> tuple[Any, ...]:
        """Return bytes, width, height, width, height and no reason; or a reason and no bytes."""
        data = stream.getvalue()
        try:
            image = decode(data)
        except UnreadableImage as error:
            return None, None, None, None, None, f"not readable: {error}"
        width, height = image.size
        if min(width, height) < self._rules.min_size:
            return None, None, None, None, None, f"too small ({width} x {height})"
        if max(width, height) > self._rules.max_aspect_ratio * min(width, height):
            return None, None, None, None, None, f"too long and thin ({width} x {height})"
        self.fingerprints[hashlib.sha256(data).hexdigest()] = fingerprint(image)
        return data, width, height, width, height, None


def _read_images(urls: Sequence[str], rules: DownloadRules, folder: Path, images: str) -> None:
    """Read images of this machine into a folder, as if they were downloaded."""
    inspector = Inspector(rules)
    write_wave(read_local(urls, images, rules.max_mib * 2**20, inspector), folder)
    note_wave(folder, inspector.fingerprints)


def _download(
    urls: Sequence[str], rules: DownloadRules, folder: Path, etiquette: Etiquette
) -> None:
    """Fetch addresses into a folder, as img2dataset writes it."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it asks the network otherwise
    os.environ["WANDB_MODE"] = "disabled"
    try:
        import protego  # noqa: F401
        from img2dataset.downloader import Downloader
        from img2dataset.writer import WebDatasetSampleWriter
    except ImportError as error:
        raise InputError(f"downloads need {error.name}; pip install 'susx[web]'") from None
    import pyarrow as pa

    folder.mkdir()
    listed = pa.table({"url": [quoted(url) for url in urls], "address": list(urls)})
    with (
        pa.OSFile(str(folder / "urls.arrow"), "wb") as stream,
        pa.ipc.new_file(stream, listed.schema) as writer,
    ):
        writer.write_table(listed)
    inspector = Inspector(rules)
    download = Downloader(
        sample_writer_class=WebDatasetSampleWriter,
        resizer=inspector,
        thread_count=max(1, min(rules.threads, len(urls))),
        save_caption=False,
        extract_exif=False,
        output_folder=str(folder),
        column_list=["url", "address"],
        timeout=rules.timeout,
        number_sample_per_shard=max(len(urls), 10),
        oom_shard_count=1,
        compute_hash="sha256",
        verify_hash_type=None,
        encode_format="jpg",
        retries=0,
        user_agent_token=None,
        disallowed_header_directives=None,  # `Etiquette` reads them, with their agents and values
    )
    limits = Limits(rules.timeout, rules.max_mib * 2**20, rules.allow_private, rules.user_agent)
    etiquette.renew()
    with guarded(limits, etiquette):
        download.download_shard((0, str(folder / "urls.arrow")))
    note_wave(folder, inspector.fingerprints)
    lost = len(urls) - len(_outcomes(folder))
    if lost:  # img2dataset prints what went wrong with them and goes on
        raise InputError(f"{folder}: {lost} of {len(urls)} downloads were not written; {AGAIN}")


def quoted(url: str) -> str:
    """An address without characters that HTTP does not allow; its host in Latin letters."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if mark and not host.isascii():
        user, at, name = host.rpartition("@")
        name, colon, port = name.partition(":")
        host = f"{user}{at}{_latin(name)}{colon}{port}"
    return quote(f"{scheme}{mark}{host}{slash}{path}", safe="%/:=&?~#+!$,;'@()*[]")


def _latin(host: str) -> str:
    """A host name as the DNS has it (IDNA 2008, UTS 46), or as it is if it is none."""
    import idna

    try:
        return str(idna.encode(host, uts46=True), "ascii")
    except idna.IDNAError:
        return host
