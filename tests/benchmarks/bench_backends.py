"""The forward pass of an image tower on a CPU, by PyTorch and by runtimes of others.

    python -m tests.benchmarks.bench_backends [--patch 16] [--batch 16] [--rounds 5]

A CLIP of the published size with random weights, on one thread: PyTorch in float32, in bfloat16 and
compiled, ONNX Runtime in float32 and with weights of eight bits, and OpenVINO in float32 and
bfloat16 if it is installed (`pip install openvino`; it is no dependency). Every round runs each of
them once, after one that does not count. Prints processor time per image, the median over rounds of
the ratio to PyTorch in float32, and the least cosine to its embeddings.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from transformers import CLIPConfig, CLIPModel

FIRST = "PyTorch, float32"
ONE_THREAD: dict[str, Any] = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}

Form = Callable[[], Tensor]


class ImageTower(torch.nn.Module):
    """Images to embeddings."""

    def __init__(self, model: CLIPModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        pooled: Tensor = self.model.get_image_features(pixel_values=pixels).pooler_output
        return pooled


def tower(patch: int) -> ImageTower:
    torch.manual_seed(0)
    sizes = {"vision_config": {"patch_size": patch}, "text_config": {}, "projection_dim": 512}
    return ImageTower(CLIPModel(CLIPConfig.from_dict(sizes)).eval())


def of_pytorch(exact: ImageTower, pixels: Tensor) -> Iterator[tuple[str, Form]]:
    low = deepcopy(exact).bfloat16()
    compiled = torch.compile(low)
    halves = pixels.bfloat16()
    yield FIRST, lambda: exact(pixels)
    yield "PyTorch, bfloat16", lambda: low(halves).float()
    yield "PyTorch, bfloat16, compiled", lambda: compiled(halves).float()


def of_onnx_runtime(file: Path, pixels: Tensor) -> Iterator[tuple[str, Form]]:
    from onnxruntime import InferenceSession, SessionOptions
    from onnxruntime.quantization import QuantType, quantize_dynamic

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    small = file.with_name("small.onnx")
    quantize_dynamic(file, small, weight_type=QuantType.QInt8)
    for name, path in (("float32", file), ("8-bit weights", small)):
        session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
        given = {session.get_inputs()[0].name: pixels.numpy()}

        def run(session: Any = session, given: Any = given) -> Tensor:
            return torch.from_numpy(session.run(None, given)[0])

        yield f"ONNX Runtime, {name}", run


def of_openvino(file: Path, pixels: Tensor) -> Iterator[tuple[str, Form]]:
    try:
        from openvino import Core
    except ModuleNotFoundError:
        print("OpenVINO is not installed")
        return
    core = Core()
    for name, precision in (("float32", "f32"), ("bfloat16", "bf16")):
        settings = {"INFERENCE_PRECISION_HINT": precision} | ONE_THREAD
        compiled = core.compile_model(file, "CPU", settings)

        def run(compiled: Any = compiled) -> Tensor:
            return torch.from_numpy(compiled(pixels.numpy())[0].copy())

        yield f"OpenVINO, {name}", run


def timed(form: Form) -> float:
    """Processor seconds."""
    started = time.process_time()
    form()
    return time.process_time() - started


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in {"patch": 16, "batch": 16, "rounds": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    exact, pixels = tower(chosen.patch), torch.randn(chosen.batch, 3, 224, 224)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        file = Path(folder) / "tower.onnx"
        shape = ({0: torch.export.Dim("images")},)
        torch.onnx.export(exact, (pixels,), file, dynamo=True, dynamic_shapes=shape, verbose=False)
        forms = {
            **dict(of_pytorch(exact, pixels)),
            **dict(of_onnx_runtime(file, pixels)),
            **dict(of_openvino(file, pixels)),
        }
        made = {name: form() for name, form in forms.items()}
        rounds = [{name: timed(form) for name, form in forms.items()} for _ in range(chosen.rounds)]
    print("| | ms per image | times as fast | least cosine |\n|---|---|---|---|")
    for name, embeddings in made.items():
        cosine = cosine_similarity(embeddings, made[FIRST]).min()
        ratio = median(one[FIRST] / one[name] for one in rounds)
        cost = 1000 * median(one[name] for one in rounds) / chosen.batch
        print(f"| {name} | {cost:.1f} | {ratio:.2f} | {cosine:.5f} |")


if __name__ == "__main__":
    main()
