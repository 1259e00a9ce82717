"""Jobs about class names and texts."""

import json
from pathlib import Path

from susx.config.texts import Descriptions
from susx.core.files import write_checked
from susx.prompts.descriptions import REPLIES_FORMAT
from tests.language_models import save_tiny_model
from tests.memory.case import Case, Job, case
from tests.memory.made import CLASSES_IN_USE, TEXTS, names, written_classes

CASES: list[Case] = []


@case("class_manifest", "classes", (20, 20_000), CLASSES_IN_USE, CASES)
def class_names(folder: Path, n: int) -> Job:
    (folder / "classes.txt").write_text("\n".join(names(n)), "utf-8")
    source = {"classes": "classes.txt", "card": None}
    return Job({"": [str(folder / "classes.txt")]}, {"dataset": source, "key": "classes"})


@case("describe_classes", "classes", (1, 20), 20, CASES)
def questions(folder: Path, n: int) -> Job:
    model = save_tiny_model(folder / "model")
    settings = {"backend": "transformers", "model": str(model)}
    asked = Descriptions(model="tiny", questions=["What is {a} {}?"], samples=2, max_tokens=20)
    return Job(
        {"model": [str(path) for path in sorted(model.iterdir())]},
        {
            "classes": {name: name for name in names(n)},
            "asked": asked.model_dump(exclude={"model", "chunk"}),
            "model": settings,
            "how": {"name": "tiny", "runs": {"device": "cpu"}},
        },
        {"dataset": "asked", "texts": "descriptions"},
    )


def sentence(name: str, number: int) -> str:
    return f"A {name} has {number} long legs, a round body and a red tail with bright spots."


@case("join_descriptions", "classes", (20, 1000), CLASSES_IN_USE, CASES)
def replies(folder: Path, n: int) -> Job:
    classes, chunks = written_classes(folder, n), []
    asked = Descriptions(model="tiny").model_dump(exclude={"model", "chunk"})
    for start in range(0, n, 20):
        rows = {
            name: [
                {"question": i % 5, "text": sentence(name, i), "finished": True}
                | {"malformed": False, "withheld": False}
                for i in range(TEXTS)
            ]
            for name in classes.names[start : start + 20]
        }
        chunks.append(str(folder / f"{start:05d}.json"))
        about = {"model": {"model": "tiny"}, "tokens": {"questions": 9, "replies": 99}}
        write_checked(
            chunks[-1], {"format": REPLIES_FORMAT, "asked": asked, "replies": rows} | about
        )
    return Job(
        {"classes": str(folder / "classes.json"), "chunks": chunks}, {"texts": "descriptions"}
    )


@case("prompts", "classes", (20, 1000), CLASSES_IN_USE, CASES)
def descriptions(folder: Path, n: int) -> Job:
    classes = written_classes(folder, n)
    texts = {name: [sentence(name, i) for i in range(TEXTS)] for name in classes.names}
    file = folder / "descriptions.json"
    file.write_text(json.dumps(texts), "utf-8")
    templates = {"template": "a {}.", "ensemble": ["a {}.", "one {}."]}
    return Job(
        {
            "classes": str(folder / "classes.json"),
            "descriptions": str(file),
            "descriptors": [],
            "counts": [],
        },
        {
            "strategy": "cupl",
            "sources": {"cupl": "descriptions"},
            "settings": templates,
            "described": {},
            "files": {"descriptions": str(file), "descriptors": None},
            "pool": None,
        },
    )
