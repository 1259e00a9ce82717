"""Images that were generated before, by all that they depend on: none is generated twice."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.core.errors import InputError
from susx.images.fingerprints import fingerprint
from susx.manifests.tables import SupportRecord, read_table
from susx.support.sampler import Shot

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class GeneratedImage:
    """What came of a shot: PNG bytes, none of a flagged image, with size and fingerprint."""

    data: bytes = b""
    width: int = 0
    height: int = 0
    fingerprint: str = ""

    @property
    def flagged(self) -> bool:
        """Whether the safety checker refused it."""
        return not self.data


def drawing(image: Image | None) -> GeneratedImage:
    """What a sampler generated; None is a flagged image."""
    if image is None:
        return GeneratedImage()
    return GeneratedImage(png(image), image.width, image.height, fingerprint(image))


def png(image: Image) -> bytes:
    """Encode an image without loss."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


class GeneratedImages:
    """Drawings of one generator, read from the tables and tars that hold them when asked for."""

    def __init__(self) -> None:
        self._places: dict[Shot, tuple[SupportRecord, Path]] = {}
        self._members: dict[Path, dict[str, tuple[int, int]]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, records: Iterable[SupportRecord], tar: Path) -> None:
        """Note where drawings are; what is noted already stays."""
        for record in records:
            seed = record.location.removeprefix("seed ")
            if seed.isdecimal():
                self._places.setdefault(Shot(record.caption, int(seed)), (record, tar))

    def add_earlier(
        self,
        outputs: Iterable[Mapping[str, Path]],
        generator: Mapping[str, Any],
        wanted: Collection[Shot],
    ) -> None:
        """Note what earlier jobs have generated, until all that is wanted is noted.

        Args:
            outputs: `manifest` and `images` of jobs, the likeliest first.
            generator: what the images come from; jobs of others, or with damaged tables, are left
                out.
            wanted: what will be asked for.
        """
        own = json.loads(json.dumps(generator))
        for files in outputs:
            if all(shot in self._places for shot in wanted):
                return
            try:
                table = read_table(files["manifest"], SupportRecord)
            except InputError:
                continue
            if table.meta.get("generator") == own:
                self.add(table.records, files["images"])

    def find(self, shot: Shot) -> GeneratedImage | None:
        """The drawing of a shot, or None if there is none, or it is damaged."""
        if shot not in self._places:
            return None
        record, tar = self._places[shot]
        if not record.kept:
            return GeneratedImage()
        data = self._read(tar, record.key)
        if data is None or hashlib.sha256(data).hexdigest() != record.sha256:
            return None
        return GeneratedImage(data, record.width, record.height, record.fingerprint)

    def _read(self, tar: Path, key: str) -> bytes | None:
        try:
            if tar not in self._members:
                self._members[tar] = _members(tar)
            offset, size = self._members[tar][key]
            with tar.open("rb") as stream:
                stream.seek(offset)
                return stream.read(size)
        except (OSError, KeyError, tarfile.TarError):
            return None


def _members(path: Path) -> dict[str, tuple[int, int]]:
    """Place and size of the files of a tar by their names without suffixes."""
    with tarfile.open(path) as tar:
        return {member.name.split(".")[0]: (member.offset_data, member.size) for member in tar}
