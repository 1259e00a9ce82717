"""Write the text-to-image model's card from its recorded run: `python -m demo.diffusion_card`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from demo.train_diffusion import DROP, WRONG

MODEL: Final = Path(__file__).resolve().parent / "diffusion_model"
_CARD: Final = """\
---
license: mit
library_name: diffusers
pipeline_tag: text-to-image
---

# Tiny text-to-image model of the flag demo world

A `StableDiffusionPipeline` of {total:,} parameters (float16, {megabytes:.1f} MB), trained from
scratch on rendered flags so that the synthesis of support sets (SuS-SD) runs offline in a minute.
It draws nothing but flags, 64x64 pixels. This file is written by `python -m demo.diffusion_card`
from `training.json`; [a contact sheet](../../docs/demo_synthesis.png) shows its images.

```python
from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained("demo/diffusion_model", dtype="float32")
images = pipeline(["a red disc on a white field"], num_inference_steps={steps_drawn}).images
```

## Model

| part | parameters |
|---|---|
{parts}

Autoencoder: `AutoencoderTiny`, latents {latent}x8x8. Denoiser: `UNet2DConditionModel`, widths
{widths}, cross-attention at both resolutions, predicts velocity under a cosine schedule that ends
in pure noise (`DDIMScheduler`). Text encoder: that of [the demo's CLIP](../model/README.md), as it
is. No safety checker.

## Data

The first {pool:,} flags of the CLIP's training stream (94 % invented, 6 % national by popularity),
drawn in the renderer's `print` domain: nearly straight, on white. Captions are drawn anew at every
visit; an attribute caption leaves out each fact with probability {drop} and is false with
probability {wrong}, less often than those that the CLIP saw. National flags are named as rarely and
as unreliably as there, so that the model knows flags by description and hardly by name.

## Training

| part | steps | batch | learning rate | loss, last fifty | minutes | images/s |
|---|---|---|---|---|---|---|
{stages}

AdamW, warm-up and cosine, seed {seed}, float32, {threads} CPU threads. A share of {untold} of the
captions is left out for classifier-free guidance; weights are averaged (decay {average}).

```bash
python -m demo.train_diffusion
python -m demo.evaluate_diffusion && python -m demo.diffusion_card
```

## Measured

`python -m demo.evaluate_diffusion`: per cent of images that the demo's CLIP, with the texts of
CuPL+e, takes for their class; {per_class} per class, {steps_drawn} steps, guidance {guidance}, seed
{seed_drawn}; {seconds:.2f} s per image on two CPU threads.

| images | recognised |
|---|---|
{recognised}

Descriptions are those of `demo/descriptions.json`, of which many tell only a part of the flag;
complete ones tell all of it.

## Limitations

- Small emblems and rare combinations are often wrong, and a flag that is told by its name alone is
  mostly invented.
- One training seed. Retraining on another machine gives a similar model, not the same.
- An illustration for tests and tutorials.

Licence: MIT.
"""
_STAGE: Final = (
    "| {name} | {steps:,} | {batch} | {learning_rate} | {last_loss} | {minutes:.0f} "
    "| {images_per_second:.0f} |"
)


def render_card(record: dict[str, Any], size: int) -> str:
    """The card's text from the content of `training.json` and the bytes of the weights."""
    settings, result = record["settings"], record["evaluation"]
    stages = (
        _STAGE.format(
            name=name,
            minutes=record[name]["seconds"] / 60,
            **{k: settings[key][k] for k in ("steps", "batch", "learning_rate")},
            **{k: record[name][k] for k in ("last_loss", "images_per_second")},
        )
        for name, key in (("autoencoder", "codec"), ("denoiser", "denoiser"))
    )
    return _CARD.format(
        total=sum(record["parameters"].values()),
        megabytes=size / 1e6,
        parts="\n".join(f"| {name} | {n:,} |" for name, n in record["parameters"].items()),
        latent=settings["shape"]["latent"],
        widths=" and ".join(map(str, settings["shape"]["widths"])),
        drop=DROP,
        wrong=WRONG,
        stages="\n".join(stages),
        **{k: settings[k] for k in ("pool", "seed", "threads", "untold", "average")},
        **{k: result[k] for k in ("per_class", "guidance")},
        steps_drawn=result["steps"],
        seed_drawn=result["seed"],
        seconds=result["seconds_per_image"],
        recognised="\n".join(f"| {k} | {v:.1f} |" for k, v in result["recognised"].items()),
    )


def main() -> None:
    """Write `README.md` beside the model."""
    record = json.loads((MODEL / "training.json").read_text())
    size = sum(path.stat().st_size for path in MODEL.rglob("*.safetensors"))
    (MODEL / "README.md").write_text(render_card(record, size))


if __name__ == "__main__":
    main()
