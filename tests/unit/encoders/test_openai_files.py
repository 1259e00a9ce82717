"""OpenAI's own checkpoint files: weights by name, and none of the code in them."""

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.encoders import load_encoder
from susx.encoders.openai_files import openai_weights
from susx.encoders.protocol import Encoder
from tests.open_clip_cases import TEXT, VIT, save
from tests.torchvision_stand_in import import_open_clip

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
SIZES = {"input_resolution": 32, "context_length": 77, "vocab_size": 49408}
TEXTS = ["a cat", "a dog"]


class Part(nn.Module):
    """A module that only holds what it is given."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels


def scripted(weights: dict[str, Tensor], file: Path) -> Path:
    """Write weights as OpenAI does: an archive of modules, with sizes as buffers."""
    root = Part()
    for name, value in weights.items():
        module = root
        *folders, last = name.split(".")
        for folder in folders:
            if not hasattr(module, folder):
                module.add_module(folder, Part())
            module = getattr(module, folder)
        module.register_parameter(last, nn.Parameter(value, requires_grad=False))
    for name, size in SIZES.items():
        root.register_buffer(name, torch.tensor(size))
    torch.jit.script(root.eval()).save(str(file))
    return file


@pytest.fixture(scope="module")
def architecture(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("configuration")
    config = {"embed_dim": 16, "vision_cfg": VIT, "text_cfg": TEXT}
    (folder / "tiny-vit.json").write_text(json.dumps(config), "utf-8")
    import_open_clip().add_model_config(folder / "tiny-vit.json")
    return "tiny-vit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An open_clip model of half precision, with OpenAI's activation."""
    import_open_clip()
    folder = tmp_path_factory.mktemp("openai") / "vit"
    save(VIT, folder, quick_gelu=True)
    file = folder / "open_clip_model.safetensors"
    halved = {name: value.half() for name, value in load_file(file).items()}
    save_file(halved, file)
    return folder


@pytest.fixture(scope="module")
def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "open_clip_model.safetensors")


def load(model: Path, architecture: str | None = None) -> Encoder:
    settings = {"library": "open-clip", "model": str(model), "device": "cpu"}
    return load_encoder(EncoderSettings(**settings, architecture=architecture))


def plain(weights: dict[str, Tensor], file: Path) -> Path:
    torch.save(weights | SIZES, file)
    return file


def nested(weights: dict[str, Tensor], file: Path) -> Path:
    torch.save({"state_dict": weights | {k: torch.tensor(v) for k, v in SIZES.items()}}, file)
    return file


@pytest.mark.parametrize("write", [scripted, plain, nested])
def test_a_file_of_openai_is_the_model_that_its_weights_are(
    write: Any, folder: Path, weights: dict[str, Tensor], architecture: str, tmp_path: Path
) -> None:
    made = load(write(weights, tmp_path / "ViT.pt"), architecture)
    expected = load(folder)
    assert made.provenance["weights_sha256"] == expected.provenance["weights_sha256"]
    assert torch.equal(made.encode_texts(TEXTS), expected.encode_texts(TEXTS))
    pixels = torch.arange(2 * 3 * 32 * 32).reshape(2, 3, 32, 32).remainder(251).to(torch.uint8)
    # Both see the same input, since means and deviations are the folder's own.
    rows = [encoder._images(expected.scale(pixels)) for encoder in (made, expected)]
    assert torch.equal(*rows)


def test_archive_holds_all_tensors_under_their_names(
    weights: dict[str, Tensor], tmp_path: Path
) -> None:
    found = openai_weights(scripted(weights, tmp_path / "ViT.pt"))
    assert found is not None
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


@pytest.mark.parametrize("content", [{"a": torch.zeros(1)}, {"state_dict": {}}, [1], 3])
def test_other_files_are_left_to_the_library(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "other.pt")
    assert openai_weights(tmp_path / "other.pt") is None
    (tmp_path / "other.bin").write_bytes(b"no zip")
    assert openai_weights(tmp_path / "other.bin") is None


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def archive_of(record: bytes, file: Path, **others: bytes) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {"data.pkl": record, "constants.pkl": b"\x80\x02).", **others}.items():
            archive.writestr(f"RN50/{name}", data)
    return file


def test_code_in_an_archive_is_not_run(architecture: str, tmp_path: Path) -> None:
    record = pickle.dumps({"x": Trap(tmp_path / "trace")}, protocol=2)
    file = archive_of(record, tmp_path / "RN50.pt")
    with pytest.raises(InputError, match=r"RN50\.pt: a TorchScript archive that .* posix\.mkdir"):
        load(file, architecture)
    assert not (tmp_path / "trace").exists()


ROOT = b"\x80\x02c__torch__\nM\n)\x81"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n"
PLACE = b"X\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ"


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (b"3", "cannot be read"),
        (b"\x80\x02}.", "no tree of modules"),
        (ROOT + b".", "cannot be read"),
        (ROOT + b"q\x00}X\x01\0\0\0ah\x00sb.", "no tree of modules"),  # it holds itself
        (ROOT + b"}X\x01\0\0\0a" + TENSOR + PLACE + b"K\x00K\x64\x85K\x00\x85tRsb.", "larger than"),
    ],
)
def test_broken_archive_is_one_error(record: bytes, says: str, tmp_path: Path) -> None:
    file = archive_of(record, tmp_path / "RN50.pt", **{"data/0": bytes(8)})
    with pytest.raises(InputError, match=rf"RN50\.pt: a TorchScript archive .*{says}") as caught:
        openai_weights(file)
    assert "\n" not in str(caught.value)


def test_compressed_tensors_are_refused(tmp_path: Path) -> None:
    record = ROOT + b"}X\x01\0\0\0a" + TENSOR + PLACE + b"K\x00K\x02\x85K\x01\x85tRsb."
    file = archive_of(record, tmp_path / "RN50.pt", **{"data/0": bytes(8)})
    assert openai_weights(file)["a"].tolist() == [0, 0]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"data.pkl": record, "constants.pkl": b"", "data/0": bytes(8)}.items():
            archive.writestr(f"RN50/{name}", data)
    with pytest.raises(InputError, match="is compressed"):
        openai_weights(file)


def test_weights_of_another_architecture_are_refused(
    weights: dict[str, Tensor], architecture: str, tmp_path: Path
) -> None:
    del weights["ln_final.weight"]
    with pytest.raises(InputError, match=r"ViT\.pt: cannot be loaded with open_clip: .*ln_final"):
        load(plain(weights, tmp_path / "ViT.pt"), architecture)
