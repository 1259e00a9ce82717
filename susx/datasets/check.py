"""What is wrong with a dataset on disk, told before a long job finds out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from susx.config.cards import Card, load_card
from susx.config.datasets import ImageSettings
from susx.config.sources import Split
from susx.core.errors import InputError, listing
from susx.core.threads import in_threads
from susx.datasets.download import DatasetDownload
from susx.datasets.sources import OWN, Place, list_split, locate
from susx.datasets.stored import is_within_file, stored_bytes
from susx.images.decode import decode, look_of
from susx.images.listing import ListedImage, Listing, unlabelled_images
from susx.images.rgb import UnreadableImage
from susx.manifests.classes import ClassManifest

SAMPLE = 64
SPARED = "train: no training images lie here; only few-shot support sets are drawn from them"


@dataclass
class SplitCheck:
    """What was found of a split; lists hold keys of images.

    Attributes:
        expected: number of images that the card states, or None.
        listed: number of images that the layout lists.
        missing: listed images that are not there.
        examined: number of images that were decoded.
        unreadable: reason by image, for those that could not be.
        formats: number of examined images by format.
        modes: number of examined images by colour mode.
        misnamed: format by image, for those whose suffix tells another.
        n_other_files: files among the images that are none.
        classes_without_images: names of classes.
    """

    expected: int | None
    listed: int = 0
    missing: list[str] = field(default_factory=list)
    examined: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    formats: dict[str, int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    misnamed: dict[str, str] = field(default_factory=dict)
    n_other_files: int = 0
    classes_without_images: list[str] = field(default_factory=list)


@dataclass
class Check:
    """What was found of a dataset.

    Attributes:
        title: of the card, or None.
        source: what the layout is called, or None if nothing was found.
        folder: where it lies.
        full: whether every image was decoded, not only a sample.
        problems: what should be mended, in sentences.
        remarks: what is unusual but read correctly, in sentences.
        known_trouble: what the card says of the published data.
        splits: details by split.
    """

    title: str | None
    source: str | None
    folder: str | None
    full: bool
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    known_trouble: list[str] = field(default_factory=list)
    splits: dict[str, SplitCheck] = field(default_factory=dict)


@dataclass(frozen=True)
class _Look:
    """What decoding an image tells."""

    key: str
    format: str = ""
    mode: str = ""
    misnamed: bool = False
    reason: str = ""


def check_dataset(
    images: Mapping[str, str | None],
    card: str | None,
    classes: ClassManifest,
    key: str,
    full: bool = False,
    threads: int = 1,
    downloads: Mapping[Split, str] | None = None,
) -> Check:
    """Compare a dataset on disk with its card; whatever is wrong is told, not raised.

    Args:
        images: section `images` of the dataset in config.yaml.
        card: its card, if any.
        classes: class manifest.
        key: of the section in config.yaml.
        full: decode every image; otherwise a sample of `SAMPLE` per split, spread over the classes.
        threads: images decoded at the same time.
        downloads: records of downloads by split, where only these splits are looked at.
    """
    section, facts = ImageSettings.model_validate(images), load_card(card) if card else None
    check = Check(facts.title if facts else None, None, None, full)
    check.known_trouble = facts.trouble if facts else []
    if section.unlabelled is not None:
        _check_unlabelled(check, section.unlabelled, f"{key}: unlabelled", full, threads)
    if not section.labelled:
        return check
    try:
        place = locate(section, facts, key, classes)
    except InputError as error:
        check.problems.append(str(error))
        return check
    check.source, check.folder = place.source.name, str(place.base)
    owners: dict[str, str] = {}
    for split in place.splits if downloads is None else downloads:
        if _is_spared(split, place) and not place.holds(split):
            check.remarks.append(SPARED)
            continue
        try:
            if downloads:
                DatasetDownload.read(downloads[split])
            found = list_split(place.settings(split), classes, f"{key}: {split}")
        except InputError as error:
            check.problems.append(str(error))
            continue
        checked = _check_split(found, place, facts, split, classes, full, threads)
        check.splits[split] = checked
        if _is_spared(split, place) and checked.listed and len(checked.missing) == checked.listed:
            check.remarks.append(SPARED)
        else:
            check.problems += _problems(split, checked, len(classes))
        check.remarks += _remarks(split, checked)
        check.problems += _shared(found.images, split, owners)
    return check


def _is_spared(split: Split, place: Place) -> bool:
    """Whether a dataset may do without a split: the training images that nobody named himself."""
    return split == "train" and place.source.name != OWN


def check_lines(check: Check) -> list[str]:
    """The check in lines, for the log."""
    lines = [
        f"{split}: {found.listed} images of {check.source or 'a folder'}, {found.examined} decoded"
        for split, found in check.splits.items()
    ]
    end = f"problems: {len(check.problems) or 'none'}"
    hint = "" if check.full else "; `check/full/` in place of `check/` decodes every image"
    return [*lines, *check.remarks, f"{end}{hint}"]


def _check_split(
    found: Listing,
    place: Place,
    card: Card | None,
    split: Split,
    classes: ClassManifest,
    full: bool,
    threads: int,
) -> SplitCheck:
    used = {image.label for image in found.images}
    check = SplitCheck(
        expected=_expected(place, card).get(split),
        listed=len(found.images),
        n_other_files=found.meta["n_other_files"],
        classes_without_images=[c.name for c in classes if c.index not in used],
    )
    there = found.images
    if place.source.may_lack:
        there = [image for image in found.images if not _is_missing(image.path)]
    kept = {image.key for image in there}
    check.missing = [image.key for image in found.images if image.key not in kept]
    _look_at(check, there, split, full, threads)
    return check


def _is_missing(path: str) -> bool:
    """Whether there is no such file; one that may not be looked at is told when it is read."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return not is_within_file(path)
    except OSError:
        return False
    return False


def _check_unlabelled(check: Check, folder: str, key: str, full: bool, threads: int) -> None:
    try:
        found = unlabelled_images(Path(folder), key)
    except InputError as error:
        check.problems.append(str(error))
        return
    split = SplitCheck(None, len(found.images), n_other_files=found.meta["n_other_files"])
    _look_at(split, found.images, "unlabelled", full, threads)
    check.splits["unlabelled"] = split
    if not found.images:
        check.problems.append(f"{key}: no images below {folder}")
    check.problems += _problems("unlabelled", split, 0)
    check.remarks += _remarks("unlabelled", split)


def _look_at(
    check: SplitCheck, images: Sequence[ListedImage], split: str, full: bool, threads: int
) -> None:
    """Decode images, or a sample of them, and note what they are."""
    looked = images if full else _spread(images, SAMPLE)
    formats: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    looks = in_threads(_look, looked, threads)
    for look in tqdm(looks, total=len(looked), desc=split, unit=" images", mininterval=1):
        check.examined += 1
        if look.reason:
            check.unreadable[look.key] = look.reason
            continue
        formats[look.format] += 1
        modes[look.mode] += 1
        if look.misnamed:
            check.misnamed[look.key] = look.format
    check.formats, check.modes = dict(formats.most_common()), dict(modes.most_common())


def _expected(place: Place, card: Card | None) -> Mapping[Split, int]:
    """Published counts; what the configuration names need not be a published split."""
    if card is None or place.source.name == OWN:
        return {}
    return card.expected if place.source.expected is None else place.source.expected


def _look(image: ListedImage) -> _Look:
    from PIL import Image

    try:
        data = stored_bytes(image.path)
        decode(data)
        kind, mode = look_of(data)
    except OSError as error:
        return _Look(image.key, reason=error.strerror or type(error).__name__)
    except (UnreadableImage, InputError) as error:
        return _Look(image.key, reason=str(error))
    promised = Image.registered_extensions().get(Path(image.path).suffix.lower(), kind)
    return _Look(image.key, kind, mode, misnamed=promised != kind)


def _spread(images: Sequence[ListedImage], n: int) -> list[ListedImage]:
    """At most n images at even distances."""
    if len(images) <= n:
        return list(images)
    return [images[i * len(images) // n] for i in range(n)]


def _problems(split: str, found: SplitCheck, n_classes: int) -> Iterable[str]:
    if found.expected is not None and found.listed != found.expected:
        yield f"{split}: {found.expected} images were published, {found.listed} are listed"
    if missing := found.missing:
        yield f"{split}: {len(missing)} of {found.listed} images missing: {listing(missing)}"
    if found.unreadable:
        reasons = [f"{key} ({reason})" for key, reason in found.unreadable.items()]
        of = f"of {found.examined} decoded images"
        yield f"{split}: {len(reasons)} {of} unreadable: {listing(reasons)}"
    if names := found.classes_without_images:
        yield f"{split}: {len(names)} of {n_classes} classes without images: {listing(names)}"


def _remarks(split: str, found: SplitCheck) -> Iterable[str]:
    of = f"of {found.examined} decoded images"
    if found.misnamed:
        named = [f"{key} ({kind})" for key, kind in found.misnamed.items()]
        yield f"{split}: {len(named)} {of} in another format than named: {listing(named)}"
    if odd := {mode: n for mode, n in found.modes.items() if mode != "RGB"}:
        counts = ", ".join(f"{n} {mode}" for mode, n in odd.items())
        yield f"{split}: {sum(odd.values())} {of} converted to RGB: {counts}"
    if found.n_other_files:
        yield f"{split}: other files, which are ignored: {found.n_other_files}"


def _shared(images: Iterable[ListedImage], split: str, owners: dict[str, str]) -> Iterable[str]:
    """Images that an earlier split lists, too."""
    twice: dict[str, list[str]] = {}
    for image in images:
        owner = owners.setdefault(image.path, split)
        if owner != split:
            twice.setdefault(owner, []).append(image.key)
    for owner, keys in twice.items():
        yield f"{split}: images that are also listed for {owner}: {len(keys)}: {listing(keys)}"
