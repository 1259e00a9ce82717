"""How many bytes the images have that a support set will keep, as far as they are on this machine.

Nothing is decoded, and little is read: a plan is made before every run.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from susx.core.errors import InputError
from susx.images.kinds import is_image
from susx.images.listing import list_images
from susx.planning.amounts import image_count
from susx.planning.datasets import image_place
from susx.planning.paths import DEMO_FILES
from susx.planning.setup import Setup
from susx.planning.web import local_images

PARTS, SAMPLE = 4, 16
"""Shards that are looked at, evenly among all, and images of each: 64 sizes that spread by as much
as their mean give that within an eighth, far below the factor of a plan."""
LOOKED_AT = 10 * SAMPLE
"""Members of a tar that are looked at for them; beside an image lie two or three texts."""
DEMO_PHOTO, DEMO_WEB_IMAGE = 8800, 1700
"""Bytes of the demo's images, by `demo.world`; the pool that it makes may not be there yet."""


def pool_image_size(setup: Setup, support: str) -> float | None:
    """Mean bytes of the images of a local pool; None where that cannot be told."""
    shards = list(setup.shards[setup.retrieved[support].pool].values())
    if folder := local_images(setup, support):
        return _mean(_sizes(folder, PARTS * SAMPLE))
    chosen = shards[:: max(1, len(shards) // PARTS)][:PARTS]
    means = [_shard_mean(shard.path) for shard in chosen]
    return _mean(mean for mean in means if mean)


def training_image_size(setup: Setup, dataset: str) -> float | None:
    """Mean bytes of the training images of a dataset; None where that cannot be told."""
    try:
        paths = image_place(setup, dataset).files("train")
        folders = [path for path in paths if path.is_dir()]
        if folders:
            return _mean(_sizes(folders[0], PARTS * SAMPLE))
        count = image_count(setup, dataset, "train")
        return sum(path.stat().st_size for path in paths) / count if count else None
    except (InputError, OSError, KeyError):  # planning says what is missing
        return None


def _shard_mean(path: str) -> float | None:
    """Mean bytes of the images of a shard."""
    if DEMO_FILES.fullmatch(path) and not Path(path).exists():
        return DEMO_WEB_IMAGE
    return _column_mean(path) if path.endswith(".parquet") else _mean(_sizes(path, SAMPLE))


def _sizes(path: str | Path, most: int) -> list[int]:
    """Bytes of the first images in a folder or tar; none if there are none to be read."""
    read: Callable[[Path], Iterable[int]] = _in_folder if Path(path).is_dir() else _in_tar
    try:
        return list(islice(read(Path(path)), most))
    except (InputError, OSError, ValueError, OverflowError, EOFError, tarfile.TarError):
        return []


def _in_folder(folder: Path) -> Iterator[int]:
    return (path.stat().st_size for path in list_images(folder))


def _in_tar(path: Path) -> Iterator[int]:
    with tarfile.open(path) as tar:
        for member in islice(tar, LOOKED_AT):
            if member.isreg() and is_image(member.name.rpartition("/")[2]):
                yield member.size


def _column_mean(path: str) -> float | None:
    """Mean bytes of a row of that column of a Parquet file that has most of them: the images."""
    import pyarrow.parquet as pq

    try:
        group: Any = pq.read_metadata(path).row_group(0)
        sizes = (group.column(i).total_uncompressed_size for i in range(group.num_columns))
        return float(max(sizes) / group.num_rows)
    except Exception:  # pyarrow raises many kinds; nothing hangs on it but an estimate
        return None


def _mean(values: Iterable[float]) -> float | None:
    listed: Sequence[float] = list(values)
    return sum(listed) / len(listed) if listed else None
