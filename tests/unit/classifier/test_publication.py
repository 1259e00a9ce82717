"""Classifiers on a hub of loopback: uploaded with a card, and loaded from there."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

import susx
from susx.classifier.classifier import Classifier
from susx.classifier.file import write_classifier
from susx.classifier.meta import class_manifest_of
from susx.classifier.publication import model_card, push_to_hub
from susx.cli import app
from susx.core.errors import InputError
from tests.hub import TOKEN, Hub, point_to, serving
from tests.hub_uploads import WRITER
from tests.made.caches import write_files
from tests.made.classifier import STRATEGIES, exported

NAME = "owner/pets"


def pushed(path: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["push", str(path), *words])
    assert done.exit_code == code, done.output
    return done.stderr if code else done.stdout


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving({}) as hub:
        point_to(hub, monkeypatch, tmp_path / "cache")
        yield hub


@pytest.fixture
def made(tmp_path: Path) -> Classifier:
    files = write_files(tmp_path / "caches", STRATEGIES)
    made = exported(files, "tip-x", splits=("test",))
    settings = made.meta.encoder_settings.model_copy(update={"model": "owner/clip"})
    return replace(made, meta=made.meta.model_copy(update={"encoder_settings": settings}))


@pytest.fixture
def path(made: Classifier, tmp_path: Path) -> Path:
    write_classifier(tmp_path / "c.safetensors", made)
    return tmp_path / "c.safetensors"


def test_what_is_pushed_is_loaded_again(hub: Hub, made: Classifier, path: Path) -> None:
    first = push_to_hub(path, NAME, token=WRITER)
    again = push_to_hub(path, NAME, licence="mit", token=WRITER)  # the repository is there
    commits = [address.rsplit("/", 1)[1] for address in (first, again)]
    assert [*hub.repositories[NAME].files][1:] == commits
    for address in (f"hf-hub:{NAME}", f"hf-hub:{NAME}@{commits[0]}"):
        assert susx.load_classifier(address, device="cpu").meta == made.meta
    with pytest.raises(InputError, match=r"hf-hub:owner/pets@none: it has no such revision"):
        susx.load_classifier(f"hf-hub:{NAME}@none")
    with pytest.raises(InputError, match=r"hf-hub:owner/cars: .*no such model on the hub"):
        susx.load_classifier("hf-hub:owner/cars")


def test_the_command_publishes(hub: Hub, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITER)
    card = pushed(path, NAME, "--card", "--licence", "mit")
    assert not hub.repositories and "\nlicense: mit\n" in card
    commit, *advice = pushed(path, NAME, "--licence", "mit").splitlines()
    (owner, sha) = commit.removeprefix("uploaded: ").removeprefix(hub.endpoint).split("/commit/")
    assert owner == f"/{NAME}"
    assert hub.repositories[NAME].files[sha]["README.md"].decode() == card.removesuffix("\n")
    assert f"hf-hub:{NAME}" in " ".join(advice)
    assert pushed(path, NAME, "-q") == ""
    assert json.loads(pushed(path, NAME, "--json"))["commit"].startswith(hub.endpoint)
    assert all(WRITER not in text for text in (card, commit, *advice))


def test_a_classifier_of_the_hub_is_published_again(hub: Hub, path: Path) -> None:
    push_to_hub(path, NAME, token=WRITER)
    push_to_hub(f"hf-hub:{NAME}", "other/pets", token=WRITER)
    first, again = ([*hub.repositories[name].files.values()][-1] for name in (NAME, "other/pets"))
    assert again["classifier.safetensors"] == first["classifier.safetensors"]


def test_a_card_is_utf8_whatever_standard_output_is(
    path: Path, made: Classifier, tmp_path: Path
) -> None:
    classes = [made.meta.classes[0].model_copy(update={"name": "été"}), *made.meta.classes[1:]]
    found = {"classes": classes, "classes_sha256": class_manifest_of(classes).sha256}
    write_classifier(path, replace(made, meta=made.meta.model_copy(update=found)))
    done = CliRunner(charset="ascii").invoke(app, ["push", str(path), NAME, "--card"])
    assert done.exit_code == 0, done.exception
    assert "Classes: été; " in done.stdout_bytes.decode()


def test_the_command_says_what_is_wrong(hub: Hub, path: Path, tmp_path: Path) -> None:
    for name in ("owner/a/b", "pets", "a b/c"):
        for words in ((), ("--card",)):
            said = pushed(path, name, *words, code=2)
            assert said == f"error: {name}: no name of a repository; write owner/name\n"
    assert "a folder; name the classifier file in it" in pushed(tmp_path, NAME, code=2)
    assert "file not found" in pushed(tmp_path / "gone.safetensors", NAME, code=2)
    assert "401" in pushed(path, NAME, code=2)
    assert not hub.repositories


def test_who_may_not_write_is_told(hub: Hub, path: Path) -> None:
    with pytest.raises(InputError, match=r"owner/pets: .*401"):
        push_to_hub(path, NAME, token=TOKEN)
    assert not hub.repositories


@pytest.mark.parametrize("model", [None, "/gone/clip", "./models/clip", "~/clip"])
def test_an_encoder_of_this_machine_is_not_published(
    hub: Hub, made: Classifier, tmp_path: Path, model: str | None
) -> None:
    changed = {"model": model or str(tmp_path)}
    settings = made.meta.encoder_settings.model_copy(update=changed)
    local = replace(made, meta=made.meta.model_copy(update={"encoder_settings": settings}))
    write_classifier(tmp_path / "local.safetensors", local)
    with pytest.raises(InputError, match="a folder or file of this machine"):
        push_to_hub(tmp_path / "local.safetensors", NAME, token=WRITER)


def test_the_card_says_how_it_was_made(made: Classifier) -> None:
    meta = made.meta
    card = ModelCard(model_card(meta, NAME, "mit"))
    assert card.data.to_dict() == {
        "license": "mit",
        "library_name": "susx",
        "pipeline_tag": "image-classification",
        "tags": ["susx", "training-free", "tip-x"],
        "base_model": "owner/clip",
    }
    assert meta.tested is not None
    share = f"{100 * meta.tested.correct / meta.tested.n:.2f} % of {meta.tested.n} test images"
    assert "| Texts | cupl+e |" in card.content
    for said in (share, "| Hyper-parameters tuned on | fixed values |", f"hf-hub:{NAME}"):
        assert said in card.content
    assert all(entry.name in card.content for entry in meta.classes)


def test_names_are_no_markup(made: Classifier) -> None:
    hostile = "<script>alert(1)</script> | [a](javascript:b)\n# c `d`"
    classes = [made.meta.classes[0].model_copy(update={"name": hostile}), *made.meta.classes[1:]]
    text = model_card(made.meta.model_copy(update={"classes": classes}), NAME)
    assert r"&lt;script>alert(1)&lt;/script> \| \[a\](javascript:b) \# c \`d\`" in text
