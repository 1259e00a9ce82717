"""Write the model card from the recorded run: `python -m demo.card`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from demo.captions import CONTINENT_ONLY, DROP, NAME_WITH_ATTRIBUTES, WRONG, WRONG_COUNTRY
from demo.samples import NAMED_SHARE, NAMED_WEB_SHARE, REAL_SHARE

MODEL: Final = Path(__file__).resolve().parent / "model"
_CARD: Final = """\
---
license: mit
library_name: transformers
pipeline_tag: zero-shot-image-classification
---

# Tiny CLIP of the flag demo world

A `CLIPModel` of {parameters:,} parameters (float16, about 3 MB), trained from scratch on rendered
flags so that the whole SuS-X pipeline runs offline in minutes. It knows nothing but flags. This
file is written by `python -m demo.card` from `training.json`.

```python
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

model = CLIPModel.from_pretrained("demo/model", dtype="float32")
tokenizer = AutoTokenizer.from_pretrained("demo/model")
processor = AutoImageProcessor.from_pretrained("demo/model")
```

## Model

Image tower {vision_layers} layers of width {vision_width}, patch {patch}, 64x64 pixels; text tower
{text_layers} layers of width {text_width}, context 48; projection {projection}; learned logit scale
{logit_scale}. Text is split into lower-case words; the vocabulary has {vocabulary} entries, other
words become `[UNK]`.

## Data

{pool:,} rendered images, half `web` (flat, plain background) and half `photo` (perspective, waves,
light, occluders, noise). {invented:.0%} show invented flags. {real:.0%} show one of 50 national
flags, by Zipf popularity (exponent 0.7); {named:.0%} of those ({named_all:.1%} of all images,
{named_web:.0%} of them `web`) are captioned by name, the rest like any other flag.

Captions are drawn anew at every visit. An attribute caption leaves out each fact with probability
{drop} and is false with probability {wrong}. A name caption tells a random country with probability
{wrong_country}, only the continent with {continent}, and attributes too with {with_attributes}.
Names are rare and noisy on purpose, so that a description of a flag helps more than the name of a
less common country.

## Training

{steps:,} steps of {batch} pairs, AdamW, peak learning rate {learning_rate}, {warm_up} warm-up
steps, then a cosine to zero; seed {seed}, {precision} on {threads} CPU threads. {minutes:.1f}
minutes at {rate:.0f} images/s on two shared cores. Loss {first_loss} at the first step,
{last_loss} over the last fifty.

```bash
python -m demo.train --steps {steps} --batch {batch} --pool {pool} --seed {seed} \\
    --threads {threads} --precision {precision}
python -m demo.evaluate_model && python -m demo.card
```

## Measured

`python -m demo.evaluate_model`: top-1 per cent over {images:,} photo-domain images of the
validation stream, seed {measured}; Tip-Adapter ({shots} retrieved web images per class from
{pool_images:,}) is tuned on {tuning_images} images of seed {tuning}. Prompts: seven templates, 16
sentences per class from `demo/descriptions.json`, written from the true flags; how many of them
tell only a part was chosen on another validation seed (104), after a first draft of mostly complete
sentences gave 82.1 for CuPL and 79.5 for CuPL+e on seed 101. Tip-Adapter builds on CuPL+e (all
prompts).

| Classifier | Accuracy |
|---|---|
{table}

Zero-shot by names on the common, middle and rare third of the classes: {thirds}. Share of
retrieved images that show the right flag: {purities}.

## Limitations

- Synthetic images only; real photographs of flags were never seen or measured.
- Flags are simplified: shades, proportions and small emblems are not those of the law.
- One training seed, one set of descriptions. The order of the rows depends on the share of named
  captions and on how complete the descriptions are.
- Mixed precision makes a retrained model similar, not identical, on other machines.
- An illustration for tests and tutorials. Not for use on real images.

Licence: MIT.
"""


def render_card(record: dict[str, Any]) -> str:
    """The card's text from the content of `training.json`."""
    settings, result = record["settings"], record["evaluation"]
    rows = [f"| {name} | {value:.1f} |" for name, value in result["accuracy"].items()]
    return _CARD.format(
        **settings["shape"],
        **{k: settings[k] for k in ("steps", "batch", "pool", "seed", "threads", "precision")},
        **{k: settings[k] for k in ("learning_rate", "warm_up")},
        **{k: record[k] for k in ("parameters", "vocabulary", "logit_scale")},
        **{k: record[k] for k in ("first_loss", "last_loss")},
        **{k: result[k] for k in ("images", "tuning_images", "pool_images", "shots")},
        **{k: result["seeds"][k] for k in ("measured", "tuning")},
        minutes=record["seconds_training"] / 60,
        rate=record["images_per_second"],
        real=REAL_SHARE,
        invented=1 - REAL_SHARE,
        named=NAMED_SHARE,
        named_all=REAL_SHARE * NAMED_SHARE,
        named_web=NAMED_WEB_SHARE,
        drop=DROP,
        wrong=WRONG,
        wrong_country=WRONG_COUNTRY,
        continent=CONTINENT_ONLY,
        with_attributes=NAME_WITH_ATTRIBUTES,
        table="\n".join(rows),
        thirds=", ".join(f"{value:.1f}" for value in result["zero_shot_common_middle_rare"]),
        purities=", ".join(f"{k} {v:.2f}" for k, v in result["support_purity"].items()),
    )


def main() -> None:
    """Write `README.md` beside the model."""
    record = json.loads((MODEL / "training.json").read_text())
    (MODEL / "README.md").write_text(render_card(record))


if __name__ == "__main__":
    main()
