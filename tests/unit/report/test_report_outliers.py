"""Support images that vote against their class, and the texts that found images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from susx.core.errors import InputError
from susx.core.files import read_json, write_checked
from susx.manifests.classes import class_manifest
from susx.manifests.tables import SupportRecord
from susx.prompts.strategies import PromptSet
from susx.report.gallery import SupportFacts
from susx.report.outliers import nearest_by_images
from tests.made.report import made_report, names_of

CLASSES = class_manifest(["ant", "bee"])


def nearest_one_by_one(features: np.ndarray, labels: np.ndarray, n_classes: int) -> list[int]:
    """The same image by image, each left out of its class."""
    found = []
    for i, (row, label) in enumerate(zip(features, labels, strict=True)):
        others = np.arange(len(features)) != i
        cosines = np.full(n_classes, -np.inf)
        for c in range(n_classes):
            own = features[others & (labels == c)]
            if len(own):
                mean = own.astype(np.float64).mean(axis=0)
                cosines[c] = row @ mean / np.linalg.norm(mean)
        found.append(-1 if cosines[label] == -np.inf else int(cosines.argmax()))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_an_image_is_left_out_of_its_class(seed: int) -> None:
    random = np.random.default_rng(seed)
    features = random.normal(size=(60, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = random.integers(0, 7, 60)
    labels[labels == 6] = 5  # class 6 has no image
    labels[0], labels[labels == 4] = 4, 3
    labels[0] = 4  # class 4 has one
    found = nearest_by_images(torch.from_numpy(features), torch.from_numpy(labels), 7)
    assert found.tolist() == nearest_one_by_one(features, labels, 7)
    assert found[0] == -1 and (found != torch.from_numpy(labels)).sum() > 5


def test_an_image_among_those_of_another_class_is_found() -> None:
    angles = torch.tensor([0.0, 0.1, 0.2, 1.4, 1.5, 1.6, 1.45])
    features = torch.stack([angles.cos(), angles.sin()], dim=1)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 0])
    assert nearest_by_images(features, labels, 2).tolist() == [0, 0, 0, 1, 1, 1, 1]


def record(label: int, query: int) -> SupportRecord:
    values = {"key": "k", "class_name": "c", "rank": 0, "score": 0.0, "source": "s"}
    values |= {"location": "l", "caption": "", "sha256": "", "width": 1, "height": 1, "kept": True}
    return SupportRecord(**values, label=label, query=query)


def test_the_text_that_found_an_image_is_told() -> None:
    several = SupportFacts(PromptSet("cupl", [["a", "b", "c"], ["d", "e"]], "", {}))
    told = [several.query(record(*place)) for place in ((0, 0), (0, 2), (1, 3), (1, 4))]
    assert told == ["a", "c", "d", "e"]
    assert several.query(record(1, -1)) == "one of 2 texts of cupl"
    one = SupportFacts(PromptSet("photo", [["a"], ["b"]], "", {}))
    assert one.query(record(1, -1)) == "b"
    assert SupportFacts().query(record(1, 1)) == ""


def test_texts_of_other_classes_are_refused(tmp_path: Path) -> None:
    made = made_report(tmp_path / "files", names_of(2))
    path = made.files.supports["lc"].queries
    assert path is not None
    data = {key: value for key, value in read_json(path).items() if key != "sha256"}
    write_checked(path, {**data, "classes_sha256": "00"})
    with pytest.raises(InputError, match=r"two\.json: belongs to another class list"):
        made.write(tmp_path / "report.html")
