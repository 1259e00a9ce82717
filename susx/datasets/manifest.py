"""Image manifests: every listed image decoded once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from susx.core.errors import InputError, listing
from susx.core.plain import well_formed
from susx.core.threads import in_threads
from susx.datasets.stored import stored_bytes
from susx.images.decode import decode
from susx.images.fingerprints import fingerprint
from susx.images.kinds import SUFFIXES
from susx.images.listing import ListedImage, Listing, labelled_folders, subfolders
from susx.images.rgb import UnreadableImage
from susx.manifests.classes import ClassManifest, find_all
from susx.manifests.tables import ImageRecord, Table


def image_manifest(
    folder: str | Path, classes: ClassManifest, origin: str = "images", threads: int = 1
) -> Table:
    """List a folder with one subfolder per class, named by class name, slug, wnid or alias.

    Args:
        folder: the folder.
        classes: classes to match subfolders with; the label is the index found there.
        origin: key that names the folder, for error messages.
        threads: images decoded at the same time.

    Returns:
        Table of ImageRecord in class order; `meta` counts files that are not images.

    Raises:
        InputError: if the folder is missing or has no image, or a subfolder names no class.
    """
    root = Path(folder)
    labels = find_all(classes, subfolders(root, origin), f"{origin}: {root}")
    return examined(labelled_folders(root, labels, classes), classes, origin, threads)


def examined(listed: Listing, classes: ClassManifest, origin: str, threads: int = 1) -> Table:
    """Decode every image of a listing once; those that cannot be decoded keep the reason.

    Args:
        listed: images of a split.
        classes: classes that their labels refer to.
        origin: key that names the split, for error messages.
        threads: images decoded at the same time.

    Returns:
        Table of ImageRecord in the order of the listing.

    Raises:
        InputError: if there are no images, or none can be read.
    """
    root = listed.meta["folder"]
    if not listed.images:
        raise InputError(f"{origin}: no images below {root}; known suffixes: {sorted(SUFFIXES)}")

    for image in listed.images:
        if well_formed(image.path) != image.path:
            raise InputError(f"{origin}: {image.path}: the file name is not UTF-8; rename it")

    def record(image: ListedImage) -> ImageRecord:
        data, size, look, reason = b"", (0, 0), "", ""
        try:
            data = stored_bytes(image.path)
            decoded = decode(data)
            size, look = decoded.size, fingerprint(decoded)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except UnreadableImage as error:
            reason = str(error)
        return ImageRecord(
            key=image.key,
            path=image.path,
            label=image.label,
            class_name=classes.classes[image.label].name if image.label >= 0 else "",
            sha256=hashlib.sha256(data).hexdigest(),
            width=size[0],
            height=size[1],
            reason=reason,
            fingerprint=look,
        )

    records = list(in_threads(record, listed.images, threads))
    if all(record.reason for record in records):
        raise InputError(
            f"{origin}: none of the {len(records)} images below {root} can be read "
            f"({records[0].key}: {records[0].reason})"
        )
    unreadable = sum(bool(record.reason) for record in records)
    return Table(records, classes.sha256, {**listed.meta, "n_unreadable": unreadable})


def describe(table: Table) -> str:
    """One line about an image manifest, for the log."""
    meta = table.meta
    text = f"{len(table.records)} images, {meta['n_unreadable']} unreadable"
    if meta["n_other_files"]:
        text += f", {meta['n_other_files']} other files ignored"
    for thing, absent in (("folder for", "folder"), ("images of", "images")):
        if names := meta.get(f"classes_without_{absent}"):
            text += f"; no {thing} {listing(names)}"
    return text
