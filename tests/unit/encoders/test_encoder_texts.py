"""Texts reach the tokenizer as the publisher of a model cleans them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer, CLIPTokenizer

from susx.config.schema import EncoderSettings
from susx.core.errors import InputError
from susx.encoders import load_encoder
from susx.encoders.protocol import Encoder
from susx.encoders.texts import as_written, cleaned, clip_text, siglip_text
from tests.encoder_cases import CASES, canonical
from tests.open_clip_cases import VIT, save
from tests.torchvision_stand_in import import_open_clip

CLIP_TEXTS = {
    "“curly” quotes, Darwin’s finch": '"curly" quotes, darwin\'s finch',
    "black &amp; tan": "black & tan",
    "black &amp;amp; tan": "black & tan",
    "caf&eacute;": "café",
    "cafÃ© au lait": "café au lait",
    "ﬁgure": "figure",
    "full　width Ａ": "full width a",
    "a  photo\u00a0of\ta\n cat ": "a photo of a cat",
    "two \x07 bells": "two bells",
    "A Photo of a CAT.": "a photo of a cat.",
    "日本 😀": "日本 😀",
    "": "",
}
"""What OpenAI's code makes of texts: its steps, applied by hand."""


@pytest.mark.parametrize("text", CLIP_TEXTS)
def test_clip_reads_what_its_publisher_reads(text: str) -> None:
    assert clip_text(text) == CLIP_TEXTS[text]


@pytest.mark.parametrize("text", CLIP_TEXTS)
def test_open_clip_cleans_texts_of_clip_likewise(text: str) -> None:
    import_open_clip()
    from open_clip.tokenizer import get_clean_fn

    assert get_clean_fn("lower")(text) == clip_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A photo of a CAT.", "a photo of a cat"),
        ("St. Bernard's_dog (large)", "st bernards dog large"),
        ("salt-and-pepper, half/half", "saltandpepper halfhalf"),
        ("  two   spaces\tand a tab \n", "two spaces and a tab"),
        ("“curly” &amp;", "“curly” amp"),
    ],
)
def test_siglip_reads_what_its_publisher_reads_for_classifiers(text: str, expected: str) -> None:
    assert siglip_text(text) == canonical(text) == expected


def loaded(library: str, folder: Path) -> Encoder:
    return load_encoder(EncoderSettings(library=library, model=str(folder), device="cpu"))


def tokens_of(encoder: Encoder, text: str, patch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """What the text tower is given."""
    seen = []
    tokenise = encoder.tokens
    patch.setattr(encoder, "tokens", lambda texts: seen.append(tokenise(texts)) or seen[-1])
    encoder.encode_texts([text])
    return seen[0]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("texts")
    for name, case in CASES.items():
        case.save(root / name)
    return {name: root / name for name in CASES}


@pytest.mark.parametrize(
    ("name", "read"), [("clip", clip_text), ("siglip", siglip_text), ("metaclip-2", as_written)]
)
def test_an_encoder_reads_the_cleaned_text(
    folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    read: Callable[[str], str],
) -> None:
    text = 'fish’n’chips  &amp; "(large)"'
    made = tokens_of(loaded("transformers", folders[name]), text, monkeypatch)["input_ids"][0]
    ids = AutoTokenizer.from_pretrained(folders[name])(read(text))["input_ids"]
    assert made.tolist()[: len(ids)] == ids
    assert len({f(text) for f in (clip_text, siglip_text, as_written)}) == 3


def test_open_clip_resolves_entities_as_often_as_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_clip = import_open_clip()
    save(VIT, tmp_path / "vit")
    text = "black &amp;amp;amp; tan"  # one escape more than its two rounds resolve
    expected = open_clip.get_tokenizer(f"local-dir:{tmp_path}/vit")([text])
    made = tokens_of(loaded("open-clip", tmp_path / "vit"), text, monkeypatch)["text"]
    assert torch.equal(made, expected)


def test_end_of_text_is_found_behind_entities(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["clip"], tmp_path / "clip")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "clip")
    tokenizer.add_special_tokens({"sep_token": "<|endoftext|>"})
    tokenizer.save_pretrained(tmp_path / "clip")
    encoder = loaded("transformers", tmp_path / "clip")
    with pytest.raises(InputError, match=r'"cat &lt;\|endoftext\|&gt;": holds "<\|endoftext\|>"'):
        encoder.encode_texts(["cat &lt;|endoftext|&gt;"])


def test_texts_without_special_tokens_are_let_through() -> None:
    texts = ["<b>bold</b>", "a | b", "endoftext", "[sic]"]
    assert cleaned(texts, as_written, ["<|endoftext|>", "[SEP]"], "m") == texts


def test_long_text_is_shortened_in_the_message() -> None:
    with pytest.raises(InputError) as caught:
        cleaned(["word " * 1000 + "</s>"], as_written, ["</s>"], "m")
    assert len(str(caught.value)) < 500


def test_published_tokenizer_class_alone_would_keep_what_is_cleaned() -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {c: i for i, c in enumerate([*letters, *(f"{c}</w>" for c in letters)])}
    marks = {"<|startoftext|>": len(vocabulary), "<|endoftext|>": len(vocabulary) + 1}
    tokenizer = CLIPTokenizer(vocab=vocabulary | marks, merges=[])
    text = "Darwin’s  &amp;"
    assert tokenizer(text)["input_ids"] != tokenizer(clip_text(text))["input_ids"]
    assert tokenizer(clip_text(text))["input_ids"] == tokenizer("darwin's &")["input_ids"]
