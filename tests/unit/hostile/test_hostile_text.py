"""Attacks by text: names, labels, captions, replies, messages, YAML."""

import io
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from yaml.constructor import ConstructorError

from susx.config.cards import load_card
from susx.config.pools import CaptionPool, EmbeddingPool, ServicePool
from susx.config.types import Section, Slug
from susx.core.errors import LONGEST_MESSAGE, InputError, suggestion
from susx.core.files import read_json, write_json
from susx.core.plain import plain, visible, well_formed, without_secrets
from susx.evaluation.table import result_table
from susx.manifests.classes import class_manifest
from susx.prompts.descriptions import ask
from susx.prompts.sentences import descriptions, descriptors
from susx.prompts.strategies import build_prompts, fill, read_descriptions
from tests.made.result import result, run
from workflow_scripts.susx_job import Tee

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u200b\x7f\x00"
STEERING = set(ESCAPES) - set("]0;owned[2Jgnp.exe31m")
FORMATS = ["{0.__class__}", "{}", "{a}", "%s%n", "${HOME}", "{{ 7*7 }}", "{config[seed]}"]


# Names


@pytest.mark.parametrize("place", ["name", "aliases", "wnid"])
@pytest.mark.parametrize(
    "character",
    [
        *("\x1b", "\x9b", "\0", "\r", "\u200b", "\u200d", "\u2060", "\ufeff", "\u202e", "\u2066"),
        *("\u3164", "\u115f", "\uffa0", "\u2800", "\ufe0f", "\u034f", "\U000e0041", "\U000e0100"),
    ],
)
def test_steering_and_invisible_characters_are_no_part_of_a_name(
    place: str, character: str
) -> None:
    text = f"red{character}fox"
    entry: dict[str, Any] = {"name": "fox", place: [text] if place == "aliases" else text}
    with pytest.raises(InputError, match=r"entry 2 .*invisible character; remove it") as caught:
        class_manifest(["cat", entry])
    assert character not in str(caught.value)


@pytest.mark.parametrize("place", ["name", "aliases", "wnid"])
def test_a_name_of_ten_megabytes_is_refused_in_few_words(place: str) -> None:
    text = "x" * 10_000_000
    entry: dict[str, Any] = {"name": "fox", place: [text] if place == "aliases" else text}
    with pytest.raises(InputError, match="has 10000000 characters") as caught:
        class_manifest([entry])
    assert len(str(caught.value)) < 300


def test_a_label_of_ten_megabytes_is_refused_in_few_words(tmp_path: Path) -> None:
    write_json(tmp_path / "d.json", {"cat" * 3_000_000: ["a cat"]})
    with pytest.raises(InputError, match="names no class") as caught:
        read_descriptions(tmp_path / "d.json", class_manifest(["cat" * 100, "dog"]))
    assert len(str(caught.value)) < LONGEST_MESSAGE + 10
    assert suggestion("cat" * 3_000_000, ["cat" * 100]) == ""


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "a\n", "a\0", "", "-a", ".a", "a b", "é"])
def test_no_path_can_be_hidden_in_a_name_of_the_configuration(name: str) -> None:
    class Named(Section):
        name: Slug

    with pytest.raises(ValidationError):
        Named(name=name)


# Templates and sentences


@pytest.mark.parametrize("name", FORMATS)
def test_names_are_put_into_templates_as_they_are(name: str) -> None:
    assert fill("a photo of a {}.", name) == f"a photo of a {name}."
    assert ask("What is {a} {}?", "{b}", name) == f"What is {'a'} {name}? {{b}}"


@pytest.mark.parametrize("text", FORMATS)
def test_sentences_are_data(tmp_path: Path, text: str) -> None:
    classes = class_manifest(["cat", text])
    write_json(tmp_path / "d.json", {"cat": [text], text: [f"{{}} {text}"]})
    made = build_prompts(
        "cupl", {"cupl": "descriptions"}, classes, {"descriptions": str(tmp_path / "d.json")}
    )
    assert made.texts == [[text], [f"{{}} {text}"]]


@pytest.mark.parametrize(
    "reply", ["<think>" * 50_000, "." * 300_000 + "x", "__a" * 100_000, "1. " * 100_000]
)
def test_nonsense_without_end_is_dropped(reply: str) -> None:
    assert descriptions([(reply, True)], "cat").texts == []
    assert descriptors([(reply, True)], "cat").texts == []


def test_a_long_reply_is_read_as_far_as_it_is_looked_at() -> None:
    text = "<think>" + "x" * 50_000 + "</think>A cat has four legs. " + "Dogs bark. " * 5_000
    assert descriptions([(text, True)], "cat").texts == ["A cat has four legs."]


@given(st.text(st.characters(), max_size=40))
def test_well_formed_text_can_be_written_and_stays_as_it_is(text: str) -> None:
    made = well_formed(text)
    assert made.encode().decode() == made
    assert well_formed(made) == made
    try:
        text.encode()
    except UnicodeEncodeError:
        assert "\\ud" in made
    else:
        assert made == text


# Terminal


@given(st.text(max_size=60))
def test_visible_text_steers_nothing_and_stays_as_it_is(text: str) -> None:
    made = visible(text, keep="")
    assert made.isprintable()
    assert visible(made, keep="") == made
    assert made == text or not text.isprintable()


def test_messages_do_not_steer_the_terminal() -> None:
    assert not STEERING & set(str(InputError(f'"{ESCAPES}" names no class')))
    assert str(InputError("line\n\tline é 日本")) == "line\n\tline é 日本"


def test_logs_of_jobs_do_not_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETS_API_KEY", "hunter2-hunter2")
    terminal, log = io.StringIO(), io.StringIO()
    Tee(terminal, log).write(f"50%\r{ESCAPES} hunter2-hunter2\n")
    assert terminal.getvalue() == log.getvalue()
    assert terminal.getvalue().startswith("50%\r\\x1b]0;owned")
    assert terminal.getvalue().endswith(" ***\n")
    assert not STEERING & set(log.getvalue())


def test_tables_do_not_steer_the_terminal() -> None:
    from rich.console import Console

    case = {"encoder": "clip", "method": "tip-x", "text": "x", "support": None, "protocol": "none"}
    skipped = {**case, "seed": None, "reason": f"lacks {ESCAPES}"}
    made = result(
        run(encoder=ESCAPES, transductive=True, method=f"m{ESCAPES}"),
        dataset=f"d{ESCAPES}",
        skipped=[skipped],
    )
    from susx.evaluation.schema import Result

    stream = io.StringIO()
    Console(file=stream, width=900).print(result_table(Result.model_validate(made)))
    assert stream.getvalue().count("\\x1b]0;owned") == 5
    assert not STEERING & set(stream.getvalue())


# Secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hunter2@h/x is gone", "https://***@h/x is gone"),
        ("s3://key:hunter2@b/x", "s3://***@b/x"),
        ("https://h/x?a=1&X-Amz-Signature=hunter2&b=2", "https://h/x?a=1&X-Amz-Signature=***&b=2"),
        ("https://h/x?sig=hunter2", "https://h/x?sig=***"),
        ("(https://h/x?access_token=hunter2)", "(https://h/x?access_token=***)"),
        ("Authorization: Bearer hunter2hunter2", "Authorization: Bearer ***"),
        ("token hf_hunter2hunter2hunter2", "token ***"),
        ("https://h/a@b?size=3", "https://h/a@b?size=3"),
        ("mail a@b.c, 3 keys=4", "mail a@b.c, 3 keys=4"),
    ],
)
def test_credentials_are_masked(text: str, shown: str) -> None:
    assert without_secrets(text, {}) == shown
    assert str(InputError(text)) == shown


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("HF_TOKEN", "hunter2-hunter2", True),
        ("AWS_SECRET_ACCESS_KEY", "hunter2-hunter2", True),
        ("HF_TOKEN", "short", False),
        ("HOME", "hunter2-hunter2", False),
    ],
)
def test_secrets_of_the_environment_are_masked(name: str, value: str, masked: bool) -> None:
    assert plain(f"x {value} y") == f"x {value} y"
    assert (without_secrets(f"x {value} y", {name: value}) == "x *** y") == masked


ADDRESSES = ["https://me:hunter2@h/{}", "s3://b/{}?sig=hunter2", "https://h/{}?token=hunter2"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("kind", ["embeddings", "metadata", "captions", "service"])
def test_addresses_with_credentials_are_refused(kind: str, address: str) -> None:
    made = {
        "embeddings": lambda a: EmbeddingPool(layout="embeddings", path=a, encoder="c"),
        "metadata": lambda a: EmbeddingPool(
            layout="embeddings", path="x.npy", metadata=a, encoder="c"
        ),
        "captions": lambda a: CaptionPool(layout="captions", path=a),
        "service": lambda a: ServicePool(
            layout="service", url=f"http{a[a.index(':') :]}", index="x"
        ),
    }
    with pytest.raises(
        ValidationError, match="holds credentials or a query, which would end up in results"
    ):
        made[kind](address.format("x"))


@pytest.mark.parametrize("name", ["key", "secret", "token", "sas_token", "password", "account_key"])
def test_secrets_among_the_options_of_a_file_system_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"`{name}` would end up in results"):
        CaptionPool(layout="captions", path="s3://b/x", storage={name: "hunter2"})
    CaptionPool(layout="captions", path="gs://b/x", storage={"token": "anon", "anon": True})


# YAML and JSON


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system", "!!python/object/new:os.system", "!!python/name:os.system"],
)
def test_tags_of_python_run_nothing(tmp_path: Path, tag: str) -> None:
    mark = tmp_path / "owned"
    argument = "" if "name" in tag else f' ["touch {mark}"]'
    (tmp_path / "card.yaml").write_text(f"title: {tag}{argument}\nclasses: [cat, dog]\n")
    with pytest.raises(InputError, match=r"card\.yaml: line 1: not valid YAML: .*python/"):
        load_card(tmp_path / "card.yaml")
    with suppress(WorkflowError, ConstructorError):  # a name alone is resolved, but not called
        load_configfile(str(tmp_path / "card.yaml"))
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    ["title: &a [*a]\nclasses: [x]", "title: x\nclasses: &a [*a]", "[" * 5_000, "a: 0b", "\x1b"],
)
def test_knots_in_a_card_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(InputError, match=r"card\.yaml: "):
        load_card(tmp_path / "card.yaml")


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 200_000, '["\\ud800"]', "9" * 5_000, '"\udcff"']
)
def test_json_that_no_writer_makes_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"x\.json: not valid JSON"):
        read_json(tmp_path / "x.json")
    assert sys.getrecursionlimit() < 200_000
