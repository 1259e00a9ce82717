"""The classifier file: round trip, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import susx
from susx.classifier.classifier import Classifier
from susx.classifier.file import _digest, load_classifier, write_classifier
from susx.core.errors import InputError
from tests.made.caches import CLASSES, write_files
from tests.made.classifier import EXPORTABLE, STRATEGIES, exported

METHODS = [method.name for method in EXPORTABLE]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Classifier]:
    files = write_files(tmp_path_factory.mktemp("caches"), STRATEGIES)
    return {name: exported(files, name) for name in METHODS}


@pytest.fixture
def path(made: dict[str, Classifier], tmp_path: Path) -> Path:
    write_classifier(tmp_path / "tip-x.safetensors", made["tip-x"])
    return tmp_path / "tip-x.safetensors"


Parts = tuple[dict[str, Any], dict[str, torch.Tensor]]


def change(path: Path, edit: Callable[[dict[str, Any], dict[str, torch.Tensor]], object]) -> None:
    """Edit description and tensors of a file, whose hash of tensors is made to fit."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    said = json.loads(metadata["susx"])
    edit(said["classifier"], tensors)
    said["tensors_sha256"] = _digest(tensors)
    save_file(tensors, path, {"susx": json.dumps(said)})


@pytest.mark.parametrize("method", METHODS)
def test_what_is_written_is_read(made: dict[str, Classifier], method: str, tmp_path: Path) -> None:
    file = tmp_path / "sub" / "c.safetensors"
    write_classifier(file, made[method])
    read = susx.load_classifier(file, device="cpu")
    assert read.meta == made[method].meta
    assert read.classes == CLASSES
    for name, value in vars(made[method].context).items():
        got = getattr(read.context, name)
        if isinstance(value, torch.Tensor):
            assert torch.equal(got, value)
        elif name == "constants":
            assert got.keys() == value.keys()
            assert all(torch.equal(got[key], value[key]) for key in value)
        else:
            assert got == value
    assert [p.name for p in file.parent.iterdir()] == ["c.safetensors"]


def test_the_same_classifier_makes_the_same_file(
    made: dict[str, Classifier], path: Path, tmp_path: Path
) -> None:
    write_classifier(tmp_path / "again.safetensors", made["tip-x"])
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_a_file_holds_only_the_tensors_that_its_method_needs(
    made: dict[str, Classifier], tmp_path: Path
) -> None:
    expected = {
        "zero-shot": {"text"},
        "visdesc": {"text", "text_means"},
        "dn": {"text", "text_raw", "constant.mean"},
        "gda": {"text", "support", "support_labels"},
        "timo": {"text", "texts", "text_labels", "support", "support_labels"},
        "tip-x": {"text", "support", "support_labels", "constant.rescaling"},
    }
    for method, names in expected.items():
        write_classifier(tmp_path / "c.safetensors", made[method])
        with safe_open(tmp_path / "c.safetensors", "pt") as file:
            assert set(file.keys()) == names


@pytest.mark.parametrize("keep", [0, 7, 200, -1])
def test_a_truncated_file_is_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"tip-x\.safetensors: truncated, damaged or foreign"):
        load_classifier(path)


def test_an_altered_file_is_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="tensors do not fit their stored hash; export it again"):
        load_classifier(path)


def test_a_foreign_file_is_refused(path: Path) -> None:
    save_file({"text": torch.eye(3)}, path)
    with pytest.raises(InputError, match="not a classifier file of susx"):
        load_classifier(path)
    path.write_bytes(b"\x80\x04N.")  # a pickle
    with pytest.raises(InputError, match="truncated, damaged or foreign"):
        load_classifier(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.safetensors: file not found"):
        load_classifier(tmp_path / "gone.safetensors")


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda m, t: m["classes"][0].update(name="gnu"), "class names do not fit"),
        (lambda m, t: m["classes"].reverse(), "class names do not fit"),
        (lambda m, t: m.update(classes_sha256="0" * 64), "class names do not fit"),
        (lambda m, t: m.update(method="fusion"), 'method "fusion" is none that classifies'),
        (lambda m, t: m.update(method="tip-y"), 'method "tip-y" is none'),
        (lambda m, t: m.update(method="gda"), "gda takes"),
        (lambda m, t: m["hyperparameters"].pop("gamma"), "tip-x takes"),
        (
            lambda m, t: m.update(temperature=0.0),
            "temperature: Input should be greater",
        ),
        (lambda m, t: m.update(temperature=float("inf")), "temperature: "),
        (lambda m, t: m.update(logit_scale=float("inf")), "logit_scale: Input should be a finite"),
        (lambda m, t: m.update(logit_scale=float("nan")), "logit_scale: "),
        (lambda m, t: m.update(logit_scale=0.0), "logit_scale: Input should be greater"),
        (lambda m, t: m.update(logit_scale=-100.0), "logit_scale: Input should be greater"),
        (lambda m, t: t.update(text=torch.tensor(1.0)), r"text is \(\), expected \(3, d\)"),
        (lambda m, t: t.update(text=t["text"][0]), r"text is \(8,\), expected \(3, d\)"),
        (lambda m, t: t.update(support=torch.tensor(1.0)), r"support is \(\), expected"),
        (lambda m, t: t.update(support_labels=torch.tensor(1)), r"support_labels is \(\)"),
        (
            lambda m, t: t.update({"constant.rescaling": torch.tensor(1.0)}),
            r"constant.rescaling is \(\), expected \(3,\)",
        ),
        (
            lambda m, t: t.update({"constant.x": t.pop("constant.rescaling")}),
            r"has constants \['x'\], tip-x needs \['rescaling'\]",
        ),
        (lambda m, t: m.update(format="susx-classifier-0"), "classifier.format: Input should be"),
        (lambda m, t: m.update(zzz=1), "zzz: Extra inputs"),
        (lambda m, t: m.pop("encoder"), "encoder: Field required"),
        (lambda m, t: m["encoder_settings"].update(library="zzz"), "encoder_settings.library: "),
        (lambda m, t: m["support_keys"].pop(), r"support is \(9, 8\), expected \(8, 8\)"),
        (lambda m, t: t.pop("support"), "tip-x needs"),
        (lambda m, t: t.pop("constant.rescaling"), "tip-x needs"),
        (lambda m, t: t.update(other=torch.zeros(1)), "tip-x needs"),
        (lambda m, t: t.update(text=t["text"][:2]), r"text is \(2, 8\), expected \(3, 8\)"),
        (lambda m, t: t.update(text=t["text"].double()), "text is torch.float64"),
        (lambda m, t: t["text"].mul_(2), "rows of text are not of unit length"),
        (lambda m, t: t["support"].fill_(float("nan")), "support is not finite"),
        (lambda m, t: t["support_labels"].add_(1), "has support labels outside 0..2"),
    ],
)
def test_an_inconsistent_file_is_refused(
    path: Path, edit: Callable[[dict[str, Any], dict[str, torch.Tensor]], object], problem: str
) -> None:
    change(path, edit)
    with pytest.raises(InputError, match=problem) as caught:
        load_classifier(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda m, t: t.pop("text_labels"), "timo needs"),
        (lambda m, t: t.update(texts=t["texts"][1:]), r"texts is \(\d+, 8\), expected \("),
        (lambda m, t: t.update(text_labels=t["text_labels"][None]), "text_labels is"),
        (lambda m, t: t.update(text_labels=t["text_labels"].int()), "text_labels is torch.int32"),
        (lambda m, t: t["texts"].mul_(2), "rows of texts are not of unit length"),
        (lambda m, t: t["text_labels"].sub_(1), "has text labels outside 0..2"),
        (lambda m, t: t["text_labels"].clamp_(max=1), "has a class without a text"),
    ],
)
def test_a_file_with_inconsistent_texts_is_refused(
    made: dict[str, Classifier],
    tmp_path: Path,
    edit: Callable[[dict[str, Any], dict[str, torch.Tensor]], object],
    problem: str,
) -> None:
    path = tmp_path / "timo.safetensors"
    write_classifier(path, made["timo"])
    load_classifier(path)
    change(path, edit)
    with pytest.raises(InputError, match=problem):
        load_classifier(path)


def test_importing_the_package_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    code = "import sys, susx; print('torch' in sys.modules, callable(susx.load_classifier))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
