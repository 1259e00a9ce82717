"""Text-to-image pipelines of the diffusers library, from a local folder or the hub."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.config.synthesis import Synthesis
from susx.core.compute import pick_device
from susx.core.errors import InputError
from susx.core.files import read_json, sha256_file, sha256_json
from susx.support.pipeline_arguments import pipeline_arguments

if TYPE_CHECKING:
    from PIL.Image import Image

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shot:
    """One image to draw: its text, and the seed of its noise."""

    prompt: str
    seed: int


class DiffusionSampler:
    """Generates images; each depends on its own shot only, whatever is generated beside it.

    Noise comes from one CPU generator per image, so that it is the same on every device.
    """

    def __init__(self, settings: Synthesis, folder: Path) -> None:
        self.batch_size = settings.batch_size
        self._settings = settings
        self._device = pick_device(settings.device)
        self._pipeline = _load(folder, settings, self._device)

    def draw(self, shots: Sequence[Shot]) -> Iterator[Image | None]:
        """Yield the images of `shots` in order, None where the safety checker refused one.

        A batch that does not fit into memory is made again in halves; later batches stay small.

        Raises:
            InputError: if memory does not suffice for one image.
        """
        from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

        done = 0
        while done < len(shots):
            batch = shots[done : done + self.batch_size]
            try:
                images = self._draw_batch(batch)
            except (RuntimeError, MemoryError) as error:
                if not (isinstance(error, MemoryError) or should_reduce_batch_size(error)):
                    raise
                if len(batch) == 1:
                    raise InputError(
                        f"{self._settings.model}: memory does not suffice for one image; set a "
                        "smaller `image_size`, or `precision: float16` on a GPU"
                    ) from None
            else:
                done += len(batch)
                yield from images
                continue
            # Outside the handler, which would keep the failed batch's tensors alive.
            clear_device_cache(garbage_collection=True)
            self.batch_size = max(1, len(batch) // 2)
            LOG.warning("out of memory; images per pass reduced to %d", self.batch_size)

    def _draw_batch(self, batch: Sequence[Shot]) -> list[Image | None]:
        import torch

        call = type(self._pipeline).__call__
        output = self._pipeline(
            prompt=[shot.prompt for shot in batch],
            generator=[torch.Generator("cpu").manual_seed(shot.seed) for shot in batch],
            output_type="pil",
            **pipeline_arguments(call, self._settings, len(batch)),
        )
        flags = getattr(output, "nsfw_content_detected", None) or [False] * len(batch)
        return [None if flag else image for image, flag in zip(output.images, flags, strict=True)]


def pipeline_folder(settings: Synthesis) -> Path:
    """Folder of the pipeline, fetched from the hub if the model is no local folder.

    Raises:
        InputError: if there is no such folder or hub entry, or it holds no pipeline.
    """
    _diffusers()
    folder = Path(str(settings.model))
    if not folder.exists():
        folder = _fetch(settings)
    if not (folder / "model_index.json").is_file():
        raise InputError(
            f"text-to-image model {settings.model}: no pipeline of diffusers (no "
            "model_index.json); give a folder that save_pretrained wrote, or a hub identifier"
        )
    return folder


def description(settings: Synthesis, folder: Path) -> dict[str, Any]:
    """What images depend on, as JSON-ready data: model, weights, scheduler, settings, versions."""
    scheduler = folder / "scheduler" / "scheduler_config.json"
    chosen = settings.model_dump(
        include={"model", "revision", "steps", "guidance", "negative_prompt", "image_size", "seed"}
    )
    return {
        "library": "diffusers",
        **chosen,
        "precision": _precision(settings, pick_device(settings.device)),
        "weights_sha256": pipeline_sha256(folder),
        "scheduler": read_json(scheduler) if scheduler.exists() else None,
        "versions": {name: version(name) for name in ("diffusers", "torch", "transformers")},
    }


def _precision(settings: Synthesis, device: str) -> str:
    if settings.precision != "auto":
        return settings.precision
    return "float16" if device == "cuda" else "float32"


def pipeline_sha256(folder: Path) -> str:
    """Hash of all weight files below a pipeline's folder."""
    files = sorted(folder.rglob("*.safetensors"))
    return sha256_json([[path.relative_to(folder).as_posix(), sha256_file(path)] for path in files])


def _diffusers() -> Any:
    try:
        import accelerate  # noqa: F401
        import diffusers
    except ImportError as error:
        raise InputError(
            f"source `synthesis` needs {error.name}, which is not installed: pip install 'susx[sd]'"
        ) from None
    return diffusers


def _fetch(settings: Synthesis) -> Path:
    diffusers = _diffusers()
    try:
        return Path(
            diffusers.DiffusionPipeline.download(
                settings.model, revision=settings.revision, use_safetensors=True
            )
        )
    except Exception as error:  # the library raises many kinds for missing files
        raise InputError(
            f"text-to-image model {settings.model}: no such folder, and not to be had from the "
            f"hub ({type(error).__name__}: {_first_line(error)})"
        ) from None


def _load(folder: Path, settings: Synthesis, device: str) -> Any:
    import torch

    diffusers = _diffusers()
    precision = _precision(settings, device)
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    try:
        pipeline = diffusers.AutoPipelineForText2Image.from_pretrained(
            folder, dtype=getattr(torch, precision), use_safetensors=True
        )
    except Exception as error:  # the library raises many kinds for missing and broken files
        raise InputError(
            f"text-to-image model {settings.model}: cannot be loaded by diffusers from "
            f"safetensors ({type(error).__name__}: {_first_line(error)}); give a folder that "
            "save_pretrained wrote, or a hub identifier"
        ) from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")
