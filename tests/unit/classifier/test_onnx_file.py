"""Classifiers as ONNX files: what onnxruntime makes of them, and what is refused."""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import susx
from susx.classifier import head, onnx_file
from susx.classifier.classifier import Classifier
from susx.classifier.head import Affine, arguments, head_of, in_float64, made_images, rounding
from susx.classifier.onnx_file import write_onnx
from susx.config.encoders import LIBRARIES
from susx.core.errors import InputError
from susx.encoders import load_encoder
from susx.methods import Context, Images, Terms
from tests import blip_cases, encoder_cases, open_clip_cases
from tests.long import long
from tests.made.caches import CLASSES, write_files
from tests.made.classifier import EXPORTABLE, STRATEGIES, exported
from tests.made.photos import photos_classifier

NOT_GRAPHS = {"calip", "proker", "zlap-sparse"}
OTHERS = [method.name for method in EXPORTABLE if method.name not in NOT_GRAPHS]
TRACED = ["dn", "tip-adapter", "tip-x", "ape"]
RUN = ["gda", *TRACED]
DOUBLE = 2.0**-40
"""Of the largest logit: 2^13 roundings of float64, which sums of some thirty terms do not reach."""

ENCODERS = encoder_cases.CASES | open_clip_cases.CASES | blip_cases.CASES
OTHER_ENCODERS = ENCODERS.keys() - {"clip"}

Outputs = list[NDArray[np.float32]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Classifier]:
    files = write_files(tmp_path_factory.mktemp("caches"), STRATEGIES)
    return {method.name: exported(files, method.name) for method in EXPORTABLE}


@pytest.fixture(scope="module")
def photos(tiny_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return photos_classifier(tiny_clip, tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def whole(photos: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "photos.onnx"
    assert write_onnx(path, photos, with_encoder=True).inputs == ("pixel_values",)
    return path


def run(path: Path, **inputs: Tensor) -> Outputs:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: Outputs = session.run(None, {name: part.numpy() for name, part in inputs.items()})
    return found


def said(path: Path) -> dict[str, str]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return found


@pytest.mark.parametrize("method", OTHERS)
def test_a_head_is_the_method(made: dict[str, Classifier], method: str) -> None:
    classifier = made[method]
    context = in_float64(classifier.context)
    images = made_images(context, 40)
    wanted = classifier.method.fit(context, classifier.meta.hyperparameters).logits(images)
    found = head_of(classifier)
    logits, shares = found(*arguments(found, images))
    assert float((logits - wanted).abs().max()) < DOUBLE * float(wanted.abs().max())
    expected = (wanted / classifier.meta.temperature).softmax(dim=1)
    assert float((shares - expected).abs().max()) < DOUBLE * float(wanted.abs().max())
    affine = isinstance(found._logits, Affine)
    assert affine == (method not in TRACED)


def test_what_is_nearly_affine_is_not_taken_for_it(made: dict[str, Classifier]) -> None:
    """Votes that float32 rounds away are still written as votes."""
    classifier = made["tip-adapter"]
    values = classifier.meta.hyperparameters | {"alpha": 1e-7}
    meta = classifier.meta.model_copy(update={"hyperparameters": values})
    assert not isinstance(head_of(replace(classifier, meta=meta))._logits, Affine)


@pytest.mark.parametrize("method", [m if m in RUN else long(m) for m in OTHERS])
def test_onnxruntime_has_the_logits_of_the_classifier(
    made: dict[str, Classifier], method: str, tmp_path: Path
) -> None:
    classifier, path = made[method], tmp_path / "deep/c.onnx"
    file = write_onnx(path, classifier)
    assert 0 <= file.difference <= file.tolerance
    assert [entry.name for entry in path.parent.iterdir()] == ["c.onnx"]
    shown = made_images(in_float64(classifier.context), 7)
    assert shown.norms is not None
    images = Images(shown.features.float(), shown.norms.float())
    wanted = classifier.logits(images).numpy()
    for rows in (slice(0, 1), slice(0, 3), slice(0, 7)):
        inputs = {name: getattr(images, name)[rows] for name in file.inputs}
        logits, shares = run(path, **inputs)
        assert np.abs(logits - wanted[rows]).max() <= file.tolerance
        given = {"norms": inputs["norms"].numpy()} if "norms" in inputs else {}
        found = classifier.predict_features(inputs["features"].numpy(), **given)
        apart = np.expm1(2 * file.tolerance / classifier.meta.temperature)
        assert np.abs(shares - found.probabilities).max() <= apart + head.ROUNDINGS * head.UNIT


@pytest.mark.parametrize("method", sorted(NOT_GRAPHS))
def test_a_method_that_is_no_graph_is_refused(
    made: dict[str, Classifier], method: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"{method} works on images block by block or goes by"):
        write_onnx(tmp_path / "c.onnx", made[method])
    assert not list(tmp_path.iterdir())


def test_the_temperature_is_that_of_the_probabilities(
    made: dict[str, Classifier], tmp_path: Path
) -> None:
    meta = made["tip-x"].meta.model_copy(update={"temperature": 2.5})
    write_onnx(tmp_path / "c.onnx", replace(made["tip-x"], meta=meta))
    features = made_images(in_float64(made["tip-x"].context), 5).features.float()
    logits, shares = run(tmp_path / "c.onnx", features=features)
    expected = torch.softmax(torch.from_numpy(logits) / 2.5, dim=1).numpy()
    assert shares == pytest.approx(expected, abs=head.ROUNDINGS * head.UNIT)


def test_a_file_says_what_it_is_and_nothing_of_this_machine(
    made: dict[str, Classifier], tmp_path: Path
) -> None:
    write_onnx(tmp_path / "c.onnx", made["tip-x"])
    facts, meta = said(tmp_path / "c.onnx"), made["tip-x"].meta
    assert json.loads(facts["classes"]) == CLASSES.names
    assert json.loads(facts["hyperparameters"]) == meta.hyperparameters
    assert float(facts["logit_scale"]) == meta.logit_scale
    assert float(facts["temperature"]) == meta.temperature
    assert (facts["method"], facts["encoder"]) == ("tip-x", "clip")
    assert facts["encoder_model"] == meta.encoder_settings.model
    assert facts["susx_version"] == susx.__version__
    model = onnx.load(tmp_path / "c.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "susx"
    assert [shape.dim[0].dim_param for shape in shapes(model)] == ["N"] * 3
    data = (tmp_path / "c.onnx").read_bytes()
    assert not any(name in data for name in (b".py", str(Path(susx.__file__).parent).encode()))


def shapes(model: onnx.ModelProto) -> list[Any]:
    parts = [*model.graph.input, *model.graph.output]
    return [part.type.tensor_type.shape for part in parts]


def test_the_same_classifier_makes_the_same_onnx_file(
    made: dict[str, Classifier], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        write_onnx(tmp_path / name, made["ape"])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("n", [1, 3])
def test_images_go_in_where_the_encoder_is_within(photos: Classifier, whole: Path, n: int) -> None:
    encoder = photos.encoder
    side = encoder.image_size
    drawn = torch.Generator().manual_seed(n)
    batch = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=drawn)
    raw = encoder.encode_images(batch)
    features = raw / raw.norm(dim=1, keepdim=True)
    logits, shares = run(whole, pixel_values=encoder.scale(batch))
    module = onnx_file.WithEncoder(encoder, head_of(photos).float()).eval()
    tolerance = 2 * rounding(module, [encoder.scale(batch)])
    assert np.abs(logits - photos.logits(Images(features)).numpy()).max() <= tolerance
    assert shares.sum(axis=1) == pytest.approx(np.ones(n), abs=len(photos.classes) * head.UNIT * 2)
    assert json.loads(said(whole)["preprocessing"]) == photos.meta.encoder["preprocessing"]
    assert (said(whole)["transparency"], said(whole)["upright"]) == ("white", "false")
    assert "encoder_model" not in said(whole)  # a folder of this machine


@pytest.mark.parametrize("library", [*map(long, sorted(OTHER_ENCODERS))])
def test_encoders_of_other_libraries_go_within(
    photos: Classifier, tmp_path: Path, library: str
) -> None:
    case = ENCODERS[library]
    section = LIBRARIES[case.library].section
    settings = section(library=case.library, device="cpu", **case.save(tmp_path / "model"))
    encoder = load_encoder(settings)
    drawn = torch.Generator().manual_seed(0)
    text = torch.nn.functional.normalize(torch.randn(4, case.dim, generator=drawn), dim=1)
    meta = photos.meta.model_copy(
        update={
            "method": "zero-shot",
            "hyperparameters": {},
            "encoder_settings": settings,
            "encoder": encoder.provenance,
        }
    )
    classifier = Classifier(meta, Context(text, encoder.logit_scale))
    file = write_onnx(tmp_path / "c.onnx", classifier, with_encoder=True)
    assert file.difference <= file.tolerance
    pixels = torch.zeros(2, 3, case.image_size, case.image_size)
    assert run(tmp_path / "c.onnx", pixel_values=pixels)[1].shape == (2, 4)


def test_the_text_tower_is_left_out(photos: Classifier, whole: Path) -> None:
    weights = [part.name for part in onnx.load(whole).graph.initializer]
    assert any("vision_model" in name for name in weights)
    assert not any("text_model" in name for name in weights)


def test_an_encoder_of_low_precision_is_refused(photos: Classifier, tmp_path: Path) -> None:
    low = photos.meta.encoder_settings.model_copy(update={"precision": "bfloat16"})
    meta = photos.meta.model_copy(
        update={
            "encoder_settings": low,
            "encoder": {**photos.meta.encoder, "precision": "bfloat16"},
        }
    )
    with pytest.raises(InputError, match="encoder tiny: embeds in bfloat16, a graph in float32"):
        write_onnx(tmp_path / "c.onnx", replace(photos, meta=meta), with_encoder=True)


def test_an_encoder_that_is_no_model_of_torch_is_refused(
    photos: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Classifier, "encoder", object())
    with pytest.raises(InputError, match="encoder tiny: is no PyTorch model; leave out --encoder"):
        write_onnx(tmp_path / "c.onnx", photos, with_encoder=True)
    assert not list(tmp_path.iterdir())


def test_what_the_exporter_cannot_do_is_said(
    made: dict[str, Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: Any, features: Tensor) -> tuple[Tensor, Tensor]:
        logits = self._logits(features)
        return logits, torch.linalg.eigvalsh(logits.T @ logits) + logits

    monkeypatch.setattr(head.Head, "forward", forward)
    with pytest.raises(InputError, match=r"c\.onnx: PyTorch cannot export this graph \("):
        write_onnx(tmp_path / "c.onnx", made["zero-shot"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("terms", [16, 512])
def test_sums_in_float32_err_less_than_the_tolerance(terms: int) -> None:
    drawn = torch.Generator().manual_seed(terms)
    weights, offsets = (torch.randn(shape, generator=drawn) for shape in ((terms, 5), (5,)))
    # Of one sign: partial sums, and with them their roundings, grow from term to term.
    rows = torch.rand(9, terms, generator=drawn) * weights[:, 0].sign()
    bound = rounding(head.Head(Affine(weights, offsets), 1.0, ["features"]), [rows])
    exact = rows.double() @ weights.double() + offsets.double()
    one_by_one = (rows[:, :, None] * weights).cumsum(dim=1)[:, -1] + offsets
    assert 0 < float((one_by_one - exact).abs().max()) <= bound
    # Each factor is moved by at most as many roundings as there are terms, and results by some.
    size = (rows.double().abs() @ weights.double().abs() + offsets.double().abs()).max()
    assert bound <= (2 * terms + 2 * head.ROUNDINGS) * head.UNIT * 1.01 * float(size)


@pytest.mark.parametrize("change", ["logits", "nan"])
def test_no_file_is_left_that_disagrees(
    made: dict[str, Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    real = onnx_file.onnx_model

    def altered(*arguments: Any) -> onnx.ModelProto:
        model = real(*arguments)
        weights = next(part for part in model.graph.initializer if len(part.dims) == 2)
        values = onnx.numpy_helper.to_array(weights).copy()
        values[0, 0] = values[0, 0] + 0.1 if change == "logits" else np.nan
        weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
        return model

    monkeypatch.setattr(onnx_file, "onnx_model", altered)
    with pytest.raises(InputError, match=r"c\.onnx: onnxruntime gives other logits"):
        write_onnx(tmp_path / "c.onnx", made["tip-adapter"])
    assert not list(tmp_path.iterdir())


def test_a_method_that_classifies_images_together_is_found_out(
    made: dict[str, Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its graph is right for the images that it is told by, and for no others."""

    def terms(context: Context, images: Images) -> Terms:
        centred = images.features - images.features.mean(dim=0)
        return Terms(context.logit_scale * centred @ context.text.T)

    together = replace(made["zero-shot"].method, name="together", terms=terms)
    monkeypatch.setattr(Classifier, "method", together)
    with pytest.raises(InputError, match="onnxruntime gives other logits"):
        write_onnx(tmp_path / "c.onnx", made["zero-shot"])
    assert not list(tmp_path.iterdir())


def test_what_is_too_large_for_a_file_is_refused(
    made: dict[str, Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST", 90)  # 3 classes of 8 numbers of 4 bytes are 96
    with pytest.raises(InputError, match=r"c\.onnx: would have .* leave out --encoder"):
        write_onnx(tmp_path / "c.onnx", made["zero-shot"])
    assert not list(tmp_path.iterdir())


def test_what_lies_there_is_kept(made: dict[str, Classifier], tmp_path: Path) -> None:
    (tmp_path / "c.onnx").write_text("mine")
    with pytest.raises(InputError, match=r"c\.onnx: exists already; remove it"):
        write_onnx(tmp_path / "c.onnx", made["zero-shot"])
    assert (tmp_path / "c.onnx").read_text() == "mine"


def test_a_link_into_nothing_is_kept(made: dict[str, Classifier], tmp_path: Path) -> None:
    (tmp_path / "c.onnx").symlink_to("gone.onnx")
    with pytest.raises(InputError, match=r"c\.onnx: exists already; remove it"):
        write_onnx(tmp_path / "c.onnx", made["zero-shot"])
    assert (tmp_path / "c.onnx").is_symlink()


def test_a_file_may_have_a_name_that_is_not_utf8(
    made: dict[str, Classifier], tmp_path: Path
) -> None:
    path = tmp_path / os.fsdecode(b"\xff.onnx")
    write_onnx(path, made["zero-shot"])
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_an_onnxruntime_that_is_too_old_is_named(
    made: dict[str, Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = onnx_file.onnx_model

    def newer(*arguments: Any) -> onnx.ModelProto:
        model = real(*arguments)
        model.ir_version = 9999
        return model

    monkeypatch.setattr(onnx_file, "onnx_model", newer)
    version = re.escape(onnxruntime.__version__)
    with pytest.raises(InputError, match=rf"onnxruntime {version} cannot load it \(.* IR version"):
        write_onnx(tmp_path / "c.onnx", made["zero-shot"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", ["onnx", "onnxruntime", "onnxscript"])
def test_the_extra_is_named(
    made: dict[str, Classifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"needs {module}, .*: pip install 'susx\[onnx\]'"):
        write_onnx(tmp_path / "c.onnx", made["zero-shot"])
