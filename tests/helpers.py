"""Tiny models, images, folders and pools that several test suites share."""

import colorsys
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from susx.methods import Context, Images

Colour = tuple[int, int, int]

PAD, BOS, UNK, EOS = SPECIAL = ("[PAD]", "[BOS]", "[UNK]", "[EOS]")
CHARACTERS = " !\"'(),-./0123456789:;?abcdefghijklmnopqrstuvwxyz"
CONTEXT = 77
WIDTH = 32
PROJECTION = 16


def save_tiny_clip(
    folder: Path, seed: int = 0, image_size: int = 32, projection: int = PROJECTION
) -> None:
    """Save a randomly initialised CLIP of a few thousand weights in Hugging Face format."""
    tower = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": projection,
    }
    vision = {"image_size": image_size, "patch_size": max(1, image_size // 4)}
    text = {
        "vocab_size": len(SPECIAL) + len(CHARACTERS),
        "max_position_embeddings": CONTEXT,
        "pad_token_id": SPECIAL.index(PAD),
        "bos_token_id": SPECIAL.index(BOS),
        "eos_token_id": SPECIAL.index(EOS),
    }
    config = CLIPConfig(
        text_config=tower | text, vision_config=tower | vision, projection_dim=projection
    )
    random_state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = CLIPModel(config).eval()
    with torch.no_grad():
        # The usual initialisation is nearly constant in its input; wider weights are not.
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "position" not in name:
                weight.normal_(std=(weight[0].numel()) ** -0.5)
        model.text_model.embeddings.token_embedding.weight.normal_()
    torch.set_rng_state(random_state)
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    _image_processor(image_size).save_pretrained(folder)


def _tokenizer() -> PreTrainedTokenizerFast:
    """One token per character, in lower case."""
    ids = {token: index for index, token in enumerate((*SPECIAL, *CHARACTERS))}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=UNK))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, ids[BOS]), (EOS, ids[EOS])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=CONTEXT,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
    )


def _image_processor(image_size: int) -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(
        size={"shortest_edge": image_size},
        crop_size={"height": image_size, "width": image_size},
        image_mean=[0.5] * 3,
        image_std=[0.25] * 3,
    )


def image_bytes(
    colour: Colour,
    size: tuple[int, int] = (40, 30),
    mode: str = "RGB",
    format: str = "PNG",
    seed: int = 0,
) -> bytes:
    """Encode an image of one colour with a little noise."""
    noise = np.random.default_rng(seed).integers(-20, 21, (size[1], size[0], 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, format=format)
    return stream.getvalue()


def colour_of(index: int, count: int) -> Colour:
    """Return the colour of class `index` of `count`: evenly spaced hues."""
    red, green, blue = colorsys.hsv_to_rgb(index / count, 1.0, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def write_class_folders(
    root: Path,
    names: list[str],
    per_class: int,
    seed: int = 0,
    colours: list[Colour] | None = None,
) -> None:
    """Write `root/{name}/{000}.png`, in the colour of the name's position."""
    colours = colours or [colour_of(index, len(names)) for index in range(len(names))]
    for index, (name, colour) in enumerate(zip(names, colours, strict=True)):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(per_class):
            data = image_bytes(colour, seed=seed + index * per_class + i)
            (folder / f"{i:03d}.png").write_bytes(data)


def tar_bytes(members: Mapping[str, bytes]) -> bytes:
    """An uncompressed tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in members.items():
            add_member(tar, name, data)
    return stream.getvalue()


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add bytes as a file to a tar."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def write_pool_tar(path: Path, n: int, seed: int = 0, json_captions: bool = False) -> None:
    """Write a webdataset tar of `n` captioned images with hues from all around the circle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for i in range(n):
            key = f"{seed:03d}{i:05d}"
            image = image_bytes(colour_of(i, n), seed=seed * n + i)
            caption = f"an image of hue {i} of {n}"
            add_member(tar, f"{key}.png", image)
            if json_captions:
                add_member(tar, f"{key}.json", json.dumps({"caption": caption}).encode())
            else:
                add_member(tar, f"{key}.txt", caption.encode())


def unit_rows(random: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Random directions, as float32 rows of unit length."""
    rows = random.normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Problem:
    """Unit features of a made-up classification problem."""

    text: np.ndarray
    support: np.ndarray
    support_labels: np.ndarray
    images: np.ndarray
    labels: np.ndarray


def make_problem(
    seed: int = 0, n: int = 23, d: int = 8, support: tuple[int, ...] = (4, 1, 3, 2, 6)
) -> Problem:
    """Noisy copies of random class directions; `support` images per class, in mixed order."""
    random = np.random.default_rng(seed)
    centres = unit_rows(random, len(support), d)

    def near(labels: np.ndarray, noise: float) -> np.ndarray:
        rows = centres[labels] + noise * unit_rows(random, len(labels), d)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    support_labels = random.permutation(np.repeat(np.arange(len(support)), support))
    labels = random.integers(0, len(support), n)
    return Problem(
        text=near(np.arange(len(support)), 0.8),
        support=near(support_labels, 0.9),
        support_labels=support_labels,
        images=near(labels, 1.0),
        labels=labels,
    )


def context_of(
    problem: Problem, scale: float = 100.0, dtype: torch.dtype = torch.float64
) -> Context:
    """What a method may know, with several texts per class behind its classifier."""
    text = torch.from_numpy(problem.text).to(dtype)
    lengths = torch.linspace(0.5, 0.9, len(text), dtype=dtype)[:, None]
    random = np.random.default_rng(len(text))
    text_labels = random.permutation(np.repeat(np.arange(len(text)), 3))
    texts = problem.text[text_labels] + 0.5 * unit_rows(random, len(text_labels), text.shape[1])
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    return Context(
        text,
        scale,
        torch.from_numpy(problem.support).to(dtype),
        torch.from_numpy(problem.support_labels),
        text_means=text * lengths,
        text_raw=text * lengths.flip(0) * 11,
        texts=torch.from_numpy(texts).to(dtype),
        text_labels=torch.from_numpy(text_labels),
    )


def images_of(problem: Problem, dtype: torch.dtype = torch.float64) -> Images:
    """The problem's images, with lengths and three patches each."""
    n, d = problem.images.shape
    random = np.random.default_rng(n)
    patches = problem.images[:, None] + 0.7 * unit_rows(random, 3 * n, d).reshape(n, 3, d)
    patches /= np.linalg.norm(patches, axis=2, keepdims=True)
    return Images(
        torch.from_numpy(problem.images).to(dtype),
        torch.from_numpy(random.uniform(8, 12, n)).to(dtype),
        torch.from_numpy(patches).to(dtype),
    )
