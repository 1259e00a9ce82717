"""Predictions of a folder: what a classifier says of every image, from its embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from susx.classifier.classifier import TOP, Classifier
from susx.core.errors import InputError
from susx.embeddings.cache import Embeddings, disagreement
from susx.manifests.tables import ImageRecord, Table

VOTERS = 3


@dataclass(frozen=True)
class PredictionRecord:
    """What is said of one image; `reason` says why nothing is, or is empty.

    `names` and `probabilities` are the five best classes. `support_keys` are the support images
    that voted most for the first, `support_votes` what each adds to its logit. `label` is the true
    class, where it is known.
    """

    key: str
    path: str
    label: str
    reason: str = ""
    names: list[str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    support_keys: list[str] = field(default_factory=list)
    support_votes: list[float] = field(default_factory=list)


def predict_table(
    classifier: Classifier,
    images: Embeddings,
    manifest: Table,
    patches: Embeddings | None = None,
    n_voters: int = VOTERS,
) -> Table:
    """Classify the images of a manifest by their embeddings.

    Returns:
        Table of PredictionRecord in the manifest's order; `meta` counts the unreadable and says
        what classified.

    Raises:
        InputError: if classifier, embeddings and manifest do not belong together.
    """
    _check(classifier, images, manifest)
    if patches is not None:
        _check(classifier, patches, manifest)
        if patches.keys != images.keys:
            raise InputError("images and patches lie in another order; delete both and run again")
    shown = None if patches is None else patches.features
    failed: dict[str, str] = images.meta["failed"]
    rows = {key: i for i, key in enumerate(images.keys)}
    found = classifier.predict_features(images.features, images.norms, shown) if rows else None
    voters: Sequence[list[tuple[str, float]]] = []
    if found is not None:
        voters = classifier.voters(images.features, found.ranks[:, 0], n_voters)

    def record(image: ImageRecord) -> PredictionRecord:
        reason = image.reason or failed.get(image.key, "")
        if reason or found is None:
            return PredictionRecord(image.key, image.path, image.class_name, reason)
        row = rows[image.key]
        names, shares = zip(*found.top(row, TOP), strict=True)
        keys, votes = zip(*voters[row], strict=True) if voters[row] else ((), ())
        return PredictionRecord(
            key=image.key,
            path=image.path,
            label=image.class_name,
            names=list(names),
            probabilities=list(shares),
            support_keys=list(keys),
            support_votes=list(votes),
        )

    records = [record(image) for image in manifest.records]
    meta = classifier.meta
    said = meta.model_dump(
        include={
            "dataset", "method", "text", "support", "protocol", "tuned_on", "hyperparameters",
            "temperature", "calibration", "encoder_name", "encoder", "inputs",
        },
    )  # fmt: skip
    counts = {
        "n_images": len(records),
        "n_unreadable": sum(bool(record.reason) for record in records),
        "folder": manifest.meta["folder"],
        "images_sha256": images.meta["input_sha256"],
    }
    return Table(records, manifest.classes_sha256, counts | said)


def _check(classifier: Classifier, images: Embeddings, manifest: Table) -> None:
    if classifier.meta.classes_sha256 != manifest.classes_sha256:
        raise InputError("classifier and images belong to different class lists; run again")
    if key := disagreement(classifier.meta.encoder, images.encoder):
        raise InputError(f"classifier and images have encoders of different {key}; run again")
    known = {record.key: record.sha256 for record in manifest.records if not record.reason}
    rows = {key: images.sha256(row) for row, key in enumerate(images.keys)}
    failed = {key: known.get(key) for key in images.meta["failed"]}
    if other := dict(known.items() ^ (failed | rows).items()):
        raise InputError(
            f'embeddings and manifest list different images ("{min(other)}"); delete both and run '
            "again"
        )
