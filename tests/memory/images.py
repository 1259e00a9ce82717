"""Jobs about images of datasets, and about what is embedded."""

import hashlib
import os
from pathlib import Path
from typing import Any

from susx.config.datasets import ImageSettings
from susx.datasets.sources import locate
from susx.manifests.classes import ClassManifest
from susx.manifests.tables import ImageRecord, SupportRecord, Table, write_table
from susx.prompts.strategies import PromptSet
from susx.support.selection import write_images
from tests.helpers import image_bytes, save_tiny_clip, write_pool_tar
from tests.memory.case import Case, Job, case
from tests.memory.made import CLASSES_IN_USE, TEXTS, written_classes

CASES: list[Case] = []
IN_USE = 1_281_167
"""Training images of ImageNet-1k, the largest split that is usual."""
SHARD = 10_000
"""Images of a shard, as img2dataset writes them."""
CLASSES = 20
IMAGE = image_bytes((90, 120, 30), (32, 32))
DIMENSION = 512


def linked_images(folder: Path, subfolders: list[str], n: int) -> Path:
    """Images of one content, in folders: a file that is made costs ten times a link."""
    first = folder / "first.png"
    first.write_bytes(IMAGE)
    for name in subfolders:
        (folder / "images" / name).mkdir(parents=True)
    for i in range(n):
        os.link(first, folder / "images" / subfolders[i % len(subfolders)] / f"{i:08d}.png")
    return folder / "images"


@case("image_manifest", "images", (2000, 10_000), IN_USE, CASES)
def labelled(folder: Path, n: int) -> Job:
    classes = written_classes(folder, CLASSES)
    images = linked_images(folder, classes.names, n)
    place = locate(ImageSettings(test=str(images)), None, "images")
    return Job(
        {"classes": str(folder / "classes.json"), "files": [str(images)], "download": []},
        {"place": place.settings("test"), "listed": {}, "how": {"key": "images"}},
    )


@case("list_unlabelled", "images", (2000, 8000), IN_USE, CASES)
def unlabelled(folder: Path, n: int) -> Job:
    written_classes(folder, CLASSES)
    images = linked_images(folder, ["a", "b"], n)
    return Job(
        {"classes": str(folder / "classes.json"), "folder": str(images)},
        {"folder": str(images), "how": {"key": "images"}},
    )


@case("check_dataset", "images", (100, 40_000), IN_USE, CASES)
def checked(folder: Path, n: int) -> Job:
    classes = written_classes(folder, CLASSES)
    images = linked_images(folder, classes.names, n)
    settings = ImageSettings(test=str(images)).model_dump()
    about = {"images": settings, "card": None, "key": "images", "full": False, "downloads": None}
    return Job(
        {"classes": str(folder / "classes.json"), "files": [], "download": []}, {"dataset": about}
    )


@case("download_dataset", "MB", (1, 100), 150_000, CASES)
def published(folder: Path, n: int) -> Job:
    (folder / "web").mkdir()
    for i in range(10):
        with (folder / f"web/test-{i}.tar").open("wb") as stream:
            stream.truncate(n * 100_000)
    address = {"address": f"file://{folder}/web", "folder": str(folder / "here")}
    files = {"pattern": "test-*.tar", "names": ["classes.txt"], "key": "images"}
    return Job({}, {"download": address | files})


@case("demo_images", "images per class", (1, 10), 40, CASES)
def rendered(_folder: Path, n: int) -> Job:
    return Job({}, {"split": "test", "per_class": n, "seed": 0})


@case("demo_pool", "images", (10, 1000), 3000, CASES)
def rendered_pool(_folder: Path, n: int) -> Job:
    return Job({}, {"tar": 0, "size": n, "seed": 0})


def encoder(folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Files of a tiny model, and parameters of a job that embeds with it."""
    save_tiny_clip(folder / "model", projection=DIMENSION)
    settings = {"library": "transformers", "model": str(folder / "model")}
    how = {"runs": {"device": "cpu", "batch_size": 64}}
    return [str(p) for p in sorted((folder / "model").iterdir())], {"encoder": settings, "how": how}


@case("embed_text", "texts", (500, 4000), CLASSES_IN_USE * TEXTS, CASES)
def texts(folder: Path, n: int) -> Job:
    classes, (model, params) = written_classes(folder, n // TEXTS), encoder(folder)
    texts = [[f"{i} of a {name}" for i in range(TEXTS)] for name in classes.names]
    PromptSet("cupl", texts, classes.sha256, {}).write(folder / "prompts.json", classes)
    files = {"classes": str(folder / "classes.json"), "prompts": str(folder / "prompts.json")}
    return Job({**files, "model": model}, params)


def image_records(classes: ClassManifest, n: int, folder: str = "images") -> list[ImageRecord]:
    """Records of images that all have the bytes of one."""
    image, labels = hashlib.sha256(IMAGE).hexdigest(), [i % len(classes) for i in range(n)]
    keys = [f"{classes.names[label]}/{i:08d}.png" for i, label in enumerate(labels)]
    return [
        ImageRecord(
            key, f"{folder}/{key}", label, classes.names[label], image, 32, 32, "", "0" * 16
        )
        for key, label in sorted(zip(keys, labels, strict=True), key=lambda row: row[1])
    ]


def embedded(folder: Path, n: int) -> Job:
    classes, (model, params) = written_classes(folder, CLASSES), encoder(folder)
    records = image_records(classes, n, str(linked_images(folder, classes.names, n)))
    write_table(folder / "manifest.parquet", Table(records, classes.sha256), ImageRecord)
    return Job({"manifest": str(folder / "manifest.parquet"), "model": model}, params)


case("embed_images", "images", (1100, 4300), IN_USE, CASES)(embedded)
case("embed_patches", "images", (1100, 2700), 50_000, CASES)(embedded)


def support_records(classes: ClassManifest, image: bytes, n: int, **changes: Any) -> Table:
    """As many kept images for every class."""
    sha256 = hashlib.sha256(image).hexdigest()
    about = {"source": "web", "location": "0", "caption": "a photo of it in the green grass"}
    about |= {"sha256": sha256, "width": 32, "height": 32, "kept": True, **changes}
    records = [
        SupportRecord(
            key=f"{label:05d}-{rank:05d}",
            label=label,
            class_name=name,
            rank=rank,
            score=0.5,
            **about,
        )
        for label, name in enumerate(classes.names)
        for rank in range(n // len(classes))
    ]
    return Table(records, classes.sha256)


@case("embed_support", "images", (1100, 2700), 16 * CLASSES_IN_USE, CASES)
def embedded_support(folder: Path, n: int) -> Job:
    classes, (model, params) = written_classes(folder, CLASSES), encoder(folder)
    table = support_records(classes, IMAGE, n)
    write_table(folder / "manifest.parquet", table, SupportRecord)
    write_images(folder / "images.tar", ((record.key, IMAGE) for record in table.records))
    files = {name: str(folder / name) for name in ("manifest.parquet", "images.tar")}
    return Job(
        {"manifest": files["manifest.parquet"], "images": files["images.tar"], "model": model},
        params | {"views": {}},
    )


@case("embed_shard", "MB of images", (300, 550), 10_000, CASES)
def embedded_photos(folder: Path, n: int) -> Job:
    """Files of a MB, as cameras write them; Pillow reads no further than the end of the image."""
    model, params = encoder(folder)
    photo = IMAGE + bytes(1_000_000 - len(IMAGE))
    write_images(folder / "00000.tar", ((f"{i:05d}", photo) for i in range(n)))
    params["how"] |= {"path": str(folder / "00000.tar")}
    return Job(
        {"shard": str(folder / "00000.tar"), "model": model},
        params | {"shard": {"layout": "webdataset"}},
    )


@case("embed_shard", "images", (1100, 2700), SHARD, CASES)
def embedded_shard(folder: Path, n: int) -> Job:
    model, params = encoder(folder)
    write_pool_tar(folder / "00000.tar", n)
    shard = {"layout": "webdataset"}
    params["how"] |= {"path": str(folder / "00000.tar")}
    return Job({"shard": str(folder / "00000.tar"), "model": model}, params | {"shard": shard})
