"""A classifier of coloured pictures by a tiny model, whose class names are hostile."""

from pathlib import Path

from susx.classifier.classifier import Classifier
from susx.classifier.export import export_classifier
from susx.config.encoders import EncoderSettings
from susx.datasets.manifest import examined, image_manifest
from susx.embeddings.cache import Embeddings, read_cache, write_cache
from susx.embeddings.embed import embed_images, embed_prompts
from susx.evaluation.case import Case
from susx.evaluation.files import CacheFiles
from susx.evaluation.tuning import TuningSettings
from susx.images.listing import unlabelled_images
from susx.manifests.classes import class_manifest
from susx.manifests.tables import Table
from susx.methods import METHODS
from susx.prompts.strategies import PromptSet
from tests.helpers import write_class_folders

NAMES = ["=1+1", "[bold]ant", "@bee", "plain"]
CLASSES = class_manifest(NAMES)
SLUGS = [entry.slug for entry in CLASSES]
PER_CLASS = 3


def settings(model: Path) -> EncoderSettings:
    return EncoderSettings(library="transformers", model=str(model), batch_size=3, device="cpu")


def photos_classifier(model: Path, folder: Path, method: str = "tip-x") -> Classifier:
    """A classifier whose support set are pictures of its classes, under fixed values."""
    encoder = settings(model)
    write_class_folders(folder / "support", SLUGS, PER_CLASS, seed=500)
    texts = [[f"a photo of a {name}."] for name in NAMES]
    (prompts,) = embed_prompts(encoder, [PromptSet("ensemble", texts, CLASSES.sha256, {})])
    write_cache(folder / "text.h5", prompts)
    embed_images(encoder, image_manifest(folder / "support", CLASSES), folder / "support.h5", 1)
    CLASSES.write(folder / "classes.json")
    needs, grid = METHODS[method].needs_support, METHODS[method].grid
    case = Case(
        method=method,
        text="ensemble",
        support="own" if needs else None,
        protocol="fixed" if grid else "none",
    )
    files = CacheFiles(
        classes=str(folder / "classes.json"),
        texts={"ensemble": str(folder / "text.h5")},
        images={},
        image_manifests={},
        supports={"own": str(folder / "support.h5")} if needs else {},
        support_manifests={},
    )
    return export_classifier("photos", ("tiny", encoder), files, case, TuningSettings())


def unlabelled(model: Path, folder: Path) -> tuple[Table, Embeddings]:
    """Manifest and embeddings of a nested folder of pictures, one of them broken."""
    write_class_folders(folder / "photos/deep", SLUGS, 2, seed=900)
    (folder / "photos/=broken.png").write_bytes(b"no image")
    table = examined(unlabelled_images(folder / "photos", "photos"), CLASSES, "photos")
    embed_images(settings(model), table, folder / "photos.h5", 1)
    return table, read_cache(folder / "photos.h5")
