"""Support sets by synthesis (SuS-SD; SuS-X, section 3.1): images generated from a class's texts.

Image i of a class depends on the seed, the slug of the class, its texts and i only: not on the
batch, the chunk, the order, or how many images are generated in all. So none is generated twice.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from susx.config.synthesis import Synthesis
from susx.core.errors import InputError
from susx.core.files import read_checked, sha256_json, write_checked
from susx.manifests.classes import ClassManifest, ClassName
from susx.manifests.tables import SupportRecord, Table
from susx.pools.shards import Shard, read_shard
from susx.prompts.strategies import PromptSet
from susx.support.account import FLAGGED, support_account
from susx.support.drawings import GeneratedImage, GeneratedImages, drawing
from susx.support.sampler import DiffusionSampler, Shot, description, pipeline_folder
from susx.support.selection import stored_images, write_images

if TYPE_CHECKING:
    from PIL.Image import Image

LOG = logging.getLogger(__name__)
ATTEMPTS = 5


class Sampler(Protocol):
    """What generates images, in the order of the shots; None stands for a flagged one."""

    def draw(self, shots: Sequence[Shot]) -> Iterator[Image | None]:
        """Yield one image per shot."""
        ...


@dataclass(frozen=True)
class GenerationJob:
    """What a chunk generates: images per class, the seed, and what the images come from.

    `generator` goes into the manifest and the result; classes of another generator are made again.
    """

    size: int
    seed: int
    source: str
    generator: Mapping[str, Any]


def image_seed(seed: int, slug: str, index: int, attempt: int = 0) -> int:
    """Seed in [0, 2^63) of the noise of image `index` of class `slug`."""
    key = f"{seed}/{slug}/{index}/{attempt}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8]) >> 1


def image_text(texts: Sequence[str], seed: int, slug: str, index: int, attempt: int = 0) -> str:
    """The text of image `index`: all texts in random order, round after round."""
    turn, place = divmod(index, len(texts))
    rng = np.random.default_rng(image_seed(seed, slug, turn, -1))
    order = rng.permutation(len(texts))
    return texts[int(order[(place + attempt) % len(texts)])]


def images_depend_on(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of the settings of a chunk's job, those that its images depend on."""
    drawn = {k: v for k, v in settings["settings"].items() if k not in ("size", "chunk", "preset")}
    return {**settings, "settings": drawn, "chunk": None}


def chunk_of(classes: ClassManifest, chunk: int, per_chunk: int) -> list[ClassName]:
    """The classes of chunk number `chunk`."""
    return list(classes)[chunk * per_chunk : (chunk + 1) * per_chunk]


def shot_of(
    entry: ClassName, texts: Sequence[str], seed: int, index: int, attempt: int = 0
) -> Shot:
    """What image `index` of a class is generated from."""
    text = image_text(texts, seed, entry.slug, index, attempt)
    return Shot(text, image_seed(seed, entry.slug, index, attempt))


def draw_class(
    entry: ClassName,
    texts: Sequence[str],
    job: GenerationJob,
    sampler: Sampler,
    advance: Callable[[int], object] = lambda n: None,
    known: GeneratedImages | None = None,
) -> tuple[list[SupportRecord], list[tuple[str, bytes]]]:
    """Generate the images of one class; flagged ones are replaced up to `ATTEMPTS` times in all.

    Args:
        entry: the class.
        texts: its texts.
        job: what to generate.
        sampler: generates the images.
        advance: told the number of images that are settled.
        known: images that were generated before, which are not generated again.

    Returns:
        One record per generated image, and the kept ones as (key, PNG bytes).
    """
    records: list[SupportRecord] = []
    images: list[tuple[str, bytes]] = []
    pending = list(range(job.size))
    for attempt in range(ATTEMPTS):
        shots = [shot_of(entry, texts, job.seed, index, attempt) for index in pending]
        refused = []
        for index, shot, drawn in zip(
            pending, shots, _drawings(shots, sampler, known), strict=True
        ):
            record = _record(entry, index, attempt, shot, drawn, job)
            records.append(record)
            if drawn.flagged:
                refused.append(index)
            else:
                images.append((record.key, drawn.data))
                advance(1)
        pending = refused
        if not pending:
            break
    advance(len(pending))
    return sorted(records, key=lambda r: r.key), sorted(images)


def _drawings(
    shots: Sequence[Shot], sampler: Sampler, known: GeneratedImages | None
) -> Iterator[GeneratedImage]:
    """What comes of every shot; the sampler generates those that are not known."""
    found = [known.find(shot) if known else None for shot in shots]
    lacking = [shot for shot, drawn in zip(shots, found, strict=True) if drawn is None]
    fresh = iter(sampler.draw(lacking)) if lacking else iter(())
    for drawn in found:
        yield drawing(next(fresh)) if drawn is None else drawn


def _record(
    entry: ClassName,
    index: int,
    attempt: int,
    shot: Shot,
    drawn: GeneratedImage,
    job: GenerationJob,
) -> SupportRecord:
    key = f"{entry.index:05d}-{index:05d}"
    return SupportRecord(
        key=f"{key}-{attempt}" if drawn.flagged else key,
        label=entry.index,
        class_name=entry.name,
        rank=index,
        score=0.0,
        source=job.source,
        location=f"seed {shot.seed}",
        caption=shot.prompt,
        sha256="" if drawn.flagged else hashlib.sha256(drawn.data).hexdigest(),
        width=drawn.width,
        height=drawn.height,
        kept=not drawn.flagged,
        reason=FLAGGED if drawn.flagged else "",
        fingerprint=drawn.fingerprint,
    )


class Progress:
    """Finished classes of a support set, one tar and one JSON file each, in a folder.

    The JSON file is written last and vouches for the tar; it holds the class's records and the
    fingerprint of everything that they depend on.
    """

    def __init__(self, folder: str | Path, job: GenerationJob) -> None:
        self._folder = Path(folder)
        self._job = job

    def images(self, entry: ClassName) -> Path:
        """Tar of a class's images."""
        return self._folder / f"{entry.slug}.tar"

    def _notes(self, entry: ClassName) -> Path:
        return self._folder / f"{entry.slug}.json"

    def _fingerprint(self, entry: ClassName, texts: Sequence[str]) -> str:
        return sha256_json([asdict(self._job), asdict(entry), list(texts)])

    def save(
        self,
        entry: ClassName,
        texts: Sequence[str],
        records: Sequence[SupportRecord],
        images: Sequence[tuple[str, bytes]],
    ) -> None:
        """Keep a finished class."""
        write_images(self.images(entry), images)
        notes = {
            "fingerprint": self._fingerprint(entry, texts),
            "records": [asdict(record) for record in records],
        }
        write_checked(self._notes(entry), notes)

    def load(self, entry: ClassName, texts: Sequence[str]) -> list[SupportRecord] | None:
        """Records of a class that is finished with the same settings, else None."""
        try:
            notes = read_checked(self._notes(entry), "the class is generated again")
            records = [SupportRecord(**record) for record in notes["records"]]
            if notes["fingerprint"] != self._fingerprint(entry, texts):
                return None
            stored = dict(self.read(entry))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        digests = {key: hashlib.sha256(data).hexdigest() for key, data in stored.items()}
        return records if digests == {r.key: r.sha256 for r in records if r.kept} else None

    def read(self, entry: ClassName) -> Iterator[tuple[str, bytes]]:
        """The images of a finished class."""
        for sample in read_shard(Shard("webdataset", str(self.images(entry)))):
            yield sample.key, sample.image


def synthesise(
    classes: ClassManifest,
    entries: Sequence[ClassName],
    texts: Sequence[Sequence[str]],
    job: GenerationJob,
    sampler: Callable[[], Sampler],
    progress: Progress,
    images: str | Path,
    earlier: Iterable[Mapping[str, Path]] = (),
) -> Table:
    """Generate the images of some classes and write them to a tar.

    Neither a class that `progress` holds nor an image of an earlier job is generated again.

    Args:
        classes: class manifest.
        entries: the classes to generate.
        texts: texts of every class of the manifest.
        job: what to generate.
        sampler: makes what generates the images; not called if all images are there.
        progress: keeps finished classes.
        images: tar to write; keys are those of the returned manifest.
        earlier: `manifest` and `images` of jobs that generated other classes or numbers.

    Returns:
        Table of SupportRecord of these classes, one row per generated image.
    """
    from tqdm import tqdm

    found = {entry: progress.load(entry, texts[entry.index]) for entry in entries}
    todo = [entry for entry, records in found.items() if records is None]
    ready = job.size * (len(entries) - len(todo))
    painter, known = _Later(sampler), GeneratedImages()
    known.add_earlier(
        earlier,
        job.generator,
        [
            shot_of(entry, texts[entry.index], job.seed, index)
            for entry in todo
            for index in range(job.size)
        ],
    )
    with tqdm(total=job.size * len(entries), initial=ready, unit=" images", mininterval=1) as bar:
        for entry in todo:
            own = texts[entry.index]
            records, drawn = draw_class(entry, own, job, painter, bar.update, known)
            if len(drawn) < job.size:
                LOG.warning(
                    '"%s" has %d of %d images: the safety checker refused the others %d times',
                    entry.name, len(drawn), job.size, ATTEMPTS,
                )  # fmt: skip
            progress.save(entry, own, records, drawn)
            found[entry] = records
    LOG.info("%d images generated; others were there", painter.n_drawn)
    write_images(images, (image for entry in entries for image in progress.read(entry)))
    records = [record for entry in entries for record in found[entry] or []]
    return Table(records, classes.sha256, {"generator": dict(job.generator)})


class _Later:
    """A sampler that is made when it is needed: loading a model takes long."""

    def __init__(self, make: Callable[[], Sampler]) -> None:
        self._make = make
        self._made: Sampler | None = None
        self.n_drawn = 0

    def draw(self, shots: Sequence[Shot]) -> Iterator[Image | None]:
        """Yield one image per shot."""
        self._made = self._made or self._make()
        self.n_drawn += len(shots)
        return self._made.draw(shots)


def synthesise_chunk(
    settings: Synthesis,
    classes: ClassManifest,
    entries: Sequence[ClassName],
    prompts: PromptSet,
    folder: str | Path,
    images: str | Path,
    earlier: Iterable[Mapping[str, Path]] = (),
) -> Table:
    """Generate the images of some classes with the configured model and write them to a tar.

    Finished classes are kept in `folder` until the chunk's table is written; `forget_finished` then
    removes them.

    Raises:
        InputError: if the model cannot be loaded, or memory does not suffice for one image.
    """
    model = pipeline_folder(settings)
    generator = {**description(settings, model), "query": settings.query}
    job = GenerationJob(settings.size, settings.seed, f"synthesis with {settings.model}", generator)
    return synthesise(
        classes,
        entries,
        prompts.texts,
        job,
        lambda: DiffusionSampler(settings, model),
        Progress(folder, job),
        images,
        earlier,
    )


def forget_finished(folder: str | Path, entries: Iterable[ClassName]) -> None:
    """Remove what is kept of finished classes, and the folder when it is empty."""
    for entry in entries:
        for suffix in (".json", ".tar"):
            (Path(folder) / f"{entry.slug}{suffix}").unlink(missing_ok=True)
    with suppress(OSError):
        Path(folder).rmdir()


def join_chunks(
    tables: Sequence[Table],
    tars: Sequence[str | Path],
    classes: ClassManifest,
    size: int,
    images: str | Path,
) -> Table:
    """Join the chunks of a support set, in class order, into one tar and one table.

    Raises:
        InputError: if chunks were generated by different models or with different settings, or
            a tar does not fit its table.
    """
    generators = [table.meta["generator"] for table in tables]
    if any(generator != generators[0] for generator in generators):
        raise InputError(
            f"{images}: its chunks were generated by different models or settings; delete "
            "the folder and run again"
        )
    write_images(
        images,
        (
            image
            for table, tar in zip(tables, tars, strict=True)
            for image in stored_images(tar, table.records)
        ),
    )
    records = [record for table in tables for record in table.records]
    counts = support_account(records, classes, size)
    return Table(records, classes.sha256, counts | {"generator": generators[0]})
