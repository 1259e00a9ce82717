"""Asking a language model about classes, and joining its replies."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.config.texts import Descriptions, Descriptors
from susx.core.errors import InputError
from susx.core.files import write_checked
from susx.manifests.classes import class_manifest
from susx.prompts.descriptions import ask, describe_classes, join_replies, request_seed, shares_told
from susx.prompts.language_models import Keep, Reply, Request, Sampling, nothing
from susx.prompts.strategies import build_prompts, left_to_names, read_descriptions

CLASSES = class_manifest(["zebra", "a/b", "owl_bear", "{0}"])
NAMES = {entry.name: entry.prompt_name for entry in CLASSES}
SETTINGS = Descriptions(model="gpt", questions=["What is {a} {}?", "Where is {a} {}?"], samples=2)


class Echo:
    """Answers every question with a sentence about its name and seed; records what it was asked."""

    def __init__(self, **provenance: Any) -> None:
        self.provenance = {"backend": "echo", **provenance}
        self.requests: list[Request] = []
        self.sampling: Sampling | None = None

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, keep: Keep = nothing
    ) -> list[Reply]:
        self.requests += requests
        self.sampling = sampling
        replies = [self.reply(request) for request in requests]
        for request, reply in zip(requests, replies, strict=True):
            keep(request, reply)
        return replies

    def reply(self, request: Request) -> Reply:
        return Reply(f"It says {request.seed} about itself.", True, 7, 3)


def chunk(folder: Path, names: Sequence[str], model: Echo | None = None, **changes: Any) -> Path:
    """Write the replies about some classes."""
    settings = SETTINGS.model_copy(update=changes)
    data = describe_classes({n: NAMES[n] for n in names}, settings, model or Echo())
    path = folder / f"{len(list(folder.iterdir())):04d}.json"
    write_checked(path, data)
    return path


@pytest.mark.parametrize(
    ("question", "name", "text"),
    [
        ("What is {a} {}?", "zebra", "What is a zebra? Briefly."),
        ("What is {a} {}?", "Apple pie", "What is an Apple pie? Briefly."),
        ("Tell {} from {a} other {}.", "owl", "Tell owl from an other owl. Briefly."),
        ("What is {}?", "{a} {0.__class__} %s", "What is {a} {0.__class__} %s? Briefly."),
    ],
)
def test_questions_are_filled_and_names_are_data(question: str, name: str, text: str) -> None:
    assert ask(question, "Briefly.", name) == text


def test_without_an_instruction_the_question_stands_alone() -> None:
    assert ask("What is {}?", "", "zebra") == "What is zebra?"


@given(st.integers(0), st.text(), st.text(), st.integers(0))
def test_seeds_fit_into_31_bits(seed: int, name: str, question: str, sample: int) -> None:
    assert 0 <= request_seed(seed, name, question, sample) < 2**31


def test_every_reply_has_its_own_seed() -> None:
    model = Echo()
    describe_classes(NAMES, SETTINGS, model)
    assert len({request.seed for request in model.requests}) == len(model.requests) == 16


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_replies_do_not_depend_on_chunks(tmp_path: Path, size: int) -> None:
    names = list(NAMES)
    whole = describe_classes(NAMES, SETTINGS, Echo())
    for start in range(0, len(names), size):
        chunk(tmp_path, names[start : start + size])
    paths = sorted(tmp_path.iterdir())
    parts: dict[str, Any] = {}
    for path in paths:
        parts |= json.loads(path.read_text("utf-8"))["replies"]
    assert parts == whole["replies"]
    assert list(join_replies("descriptions", CLASSES, paths)["texts"]) == names


def test_more_samples_keep_the_earlier_replies() -> None:
    few = describe_classes(NAMES, SETTINGS, Echo())["replies"]["zebra"]
    more = SETTINGS.model_copy(update={"samples": 3})
    many = describe_classes(NAMES, more, Echo())["replies"]["zebra"]
    assert [row for row in few if row not in many] == []


def test_the_model_is_asked_as_configured() -> None:
    model = Echo()
    describe_classes({"owl_bear": "owl bear"}, SETTINGS, model)
    assert model.requests[0].question == f"What is an owl bear? {SETTINGS.instruction}"
    assert model.sampling == Sampling(temperature=0.99, top_p=1.0, max_tokens=50)


def test_joined_descriptions_say_what_made_them(tmp_path: Path) -> None:
    cpu, cuda = Echo(device="cpu", model="m"), Echo(device="cuda", model="m")
    paths = [chunk(tmp_path, ["zebra", "a/b"], cpu), chunk(tmp_path, ["owl_bear", "{0}"], cuda)]

    data = join_replies("descriptions", CLASSES, paths)

    provenance = data["provenance"]
    assert provenance["model"] == {"backend": "echo", "device": ["cpu", "cuda"], "model": "m"}
    assert provenance["questions"] == SETTINGS.questions
    assert provenance["seed"] == 0
    assert provenance["tokens"] == {"questions": 16 * 7, "replies": 16 * 3}
    assert provenance["n_replies"] == provenance["n_kept"] == provenance["n_prefixed"] == 16
    assert provenance["n_dropped"] == {}
    assert provenance["classes"]["a/b"] == {"n_kept": 4, "share_kept": 1.0, "n_dropped": {}}
    assert all(text.startswith("owl bear: It says") for text in data["texts"]["owl_bear"])


def test_joined_descriptions_become_prompts(tmp_path: Path) -> None:
    data = join_replies("descriptions", CLASSES, [chunk(tmp_path, list(NAMES))])
    path = tmp_path / "descriptions.json"
    write_checked(path, data)

    prompts = build_prompts("cupl", {"cupl": "descriptions"}, CLASSES, {"descriptions": str(path)})

    assert prompts.texts == list(data["texts"].values())
    assert prompts.provenance == {"descriptions": {"file": str(path), **data["provenance"]}}


class Lister(Echo):
    """Answers with a list, but with a refusal where it is asked about a/b."""

    def reply(self, request: Request) -> Reply:
        refuses = "a/b" in request.question
        return Reply("I cannot say." if refuses else "- Two long legs.\n- a tail", True)


def test_descriptors_come_from_lists_and_may_be_empty(tmp_path: Path) -> None:
    settings = Descriptors(model="gpt")
    write_checked(tmp_path / "0.json", describe_classes(NAMES, settings, Lister()))
    data = join_replies("descriptors", CLASSES, [tmp_path / "0.json"])
    assert data["texts"]["zebra"] == ["two long legs", "a tail"]
    assert data["texts"]["a/b"] == []
    assert data["provenance"]["classes"]["a/b"] == {
        "n_kept": 0,
        "share_kept": 0.0,
        "n_dropped": {"refusal": 1},
    }
    write_checked(tmp_path / "descriptors.json", data)
    assert read_descriptions(tmp_path / "descriptors.json", CLASSES, allow_empty=True)[1] == []
    sources = {"visdesc": "descriptors"}
    files = {"descriptors": str(tmp_path / "descriptors.json")}
    assert left_to_names(build_prompts("visdesc", sources, CLASSES, files), CLASSES) == ["a/b"]
    assert shares_told(data, least=2) == [
        "6 of 7 texts kept, dropped: {'refusal': 1}",
        'smallest shares kept: "a/b" 0%, "zebra" 100%',
    ]


class Stutterer(Echo):
    """Its server answers nonsense about owls."""

    def reply(self, request: Request) -> Reply:
        malformed = "owl" in request.question
        return Reply("" if malformed else "It has stripes.", True, malformed=malformed)


def test_malformed_replies_are_counted_as_such(tmp_path: Path) -> None:
    counts = join_replies("descriptions", CLASSES, [chunk(tmp_path, list(NAMES), Stutterer())])
    assert counts["provenance"]["n_dropped"] == {"duplicate": 9, "malformed": 4}
    assert counts["provenance"]["classes"]["owl_bear"]["n_dropped"] == {"malformed": 4}
    assert counts["provenance"]["n_replies"] == 16


class Muser(Echo):
    """Thinks until it is cut; the server keeps the thought, or hands it on."""

    def reply(self, request: Request) -> Reply:
        return Reply("<think>What is asked?" if request.seed % 2 else "", False)


def test_a_model_that_only_thinks_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"language_models\.gpt: all 16 replies are thoughts that"):
        describe_classes(NAMES, SETTINGS, Muser())


class Thinker(Echo):
    """Thinks first, without an opening tag; what it says of owls is cut before it says anything."""

    def reply(self, request: Request) -> Reply:
        thought = "First, what is asked. A stork has legs."
        cut = "owl" in request.question
        return Reply(thought if cut else f"{thought}</think>It has stripes.", not cut)


def test_a_thought_that_is_neither_opened_nor_closed_is_known_by_other_replies(
    tmp_path: Path,
) -> None:
    data = join_replies("descriptions", CLASSES, [chunk(tmp_path, list(NAMES), Thinker())])
    assert data["texts"]["zebra"] == ["zebra: It has stripes."]
    assert data["texts"]["owl_bear"] == []
    assert data["provenance"]["n_dropped"] == {"duplicate": 9, "only thoughts": 4}


def test_a_class_that_nothing_is_known_about_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    data = join_replies("descriptions", CLASSES, [chunk(tmp_path, list(NAMES), Lister())])
    write_checked(tmp_path / "descriptions.json", data)
    with pytest.raises(InputError) as caught:
        read_descriptions(tmp_path / "descriptions.json", CLASSES)
    assert 'descriptions.json: class "a/b" has no sentence (dropped: 4 refusal); ' in str(
        caught.value
    )
    assert "raise `samples`" in str(caught.value)


def test_a_missing_class_is_named(tmp_path: Path) -> None:
    paths = [chunk(tmp_path, ["zebra", "a/b"]), chunk(tmp_path, ["owl_bear"])]
    with pytest.raises(InputError, match=r'no replies about class "\{0\}"; delete .*0000\.json'):
        join_replies("descriptions", CLASSES, paths)


def test_replies_to_other_questions_are_refused(tmp_path: Path) -> None:
    paths = [chunk(tmp_path, ["zebra", "a/b"]), chunk(tmp_path, ["owl_bear", "{0}"], seed=1)]
    with pytest.raises(InputError, match=r"0001\.json: asks otherwise than .*0000\.json; delete"):
        join_replies("descriptions", CLASSES, paths)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": "susx-replies-1"}'])
def test_files_that_hold_no_replies_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "0000.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"0000\.json: (not|has no) "):
        join_replies("descriptions", CLASSES, [path])
