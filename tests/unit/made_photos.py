"""A classifier of coloured pictures by a tiny model, whose class names are hostile."""

from pathlib import Path

from susx.cache import Embeddings, read_cache, write_cache
from susx.cache_files import CacheFiles
from susx.classifier import Classifier
from susx.config_classifier import Choice
from susx.config_encoders import Encoder
from susx.embedding import embed_images, embed_prompts
from susx.export import export_classifier
from susx.images import examined, image_manifest, unlabelled_images
from susx.manifests import Table, class_manifest
from susx.methods import METHODS
from susx.prompts import PromptSet
from susx.tuning import Settings
from tests.helpers import write_class_folders

NAMES = ["=1+1", "[bold]ant", "@bee", "plain"]
CLASSES = class_manifest(NAMES)
SLUGS = [entry.slug for entry in CLASSES]
PER_CLASS = 3


def settings(model: Path) -> Encoder:
    return Encoder(library="transformers", model=str(model), batch_size=3, device="cpu")


def photos_classifier(model: Path, folder: Path, method: str = "tip-x") -> Classifier:
    """A classifier whose support set are pictures of its classes, under fixed values."""
    encoder = settings(model)
    write_class_folders(folder / "support", SLUGS, PER_CLASS, seed=500)
    texts = [[f"a photo of a {name}."] for name in NAMES]
    prompts = embed_prompts(encoder, PromptSet("ensemble", texts, CLASSES.sha256, {}))
    write_cache(folder / "text.h5", prompts)
    embed_images(encoder, image_manifest(folder / "support", CLASSES), folder / "support.h5", 1)
    CLASSES.write(folder / "classes.json")
    needs, grid = METHODS[method].needs_support, METHODS[method].grid
    choice = Choice(method, "ensemble", "own" if needs else None, "fixed" if grid else "none")
    files = CacheFiles(
        classes=str(folder / "classes.json"),
        texts={"ensemble": str(folder / "text.h5")},
        images={},
        image_manifests={},
        supports={"own": str(folder / "support.h5")} if needs else {},
        support_manifests={},
    )
    return export_classifier("photos", ("tiny", encoder), files, choice, Settings())


def unlabelled(model: Path, folder: Path) -> tuple[Table, Embeddings]:
    """Manifest and embeddings of a nested folder of pictures, one of them broken."""
    write_class_folders(folder / "photos/deep", SLUGS, 2, seed=900)
    (folder / "photos/=broken.png").write_bytes(b"no image")
    table = examined(unlabelled_images(folder / "photos", "photos"), CLASSES, "photos")
    embed_images(settings(model), table, folder / "photos.h5", 1)
    return table, read_cache(folder / "photos.h5")
