"""Publishing a classifier file on the Hugging Face hub, with a model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from susx.classifier.file import read_classifier_meta
from susx.classifier.hub import CLASSIFIER, local_path
from susx.config.encoders import HUB_PREFIX
from susx.core.errors import InputError
from susx.evaluation.tuning_words import tuned_on_words

if TYPE_CHECKING:
    from susx.classifier.meta import ClassifierMeta

CARD = "README.md"
SHOWN_CLASSES = 1000
"""Classes that a card lists, as many as ImageNet has; the file holds all."""


def push_to_hub(
    path: str | Path,
    name: str,
    private: bool = True,
    licence: str | None = None,
    token: str | None = None,
) -> str:
    """Upload a classifier and its model card, in one commit.

    Args:
        path: classifier file, or one of the hub as `load_classifier` takes it.
        name: `owner/name` of the repository, which is made if it is not there.
        private: whether a repository that is made is private.
        licence: identifier of a licence, for the card.
        token: of the account; by default that which `hf auth login` keeps.

    Returns:
        The address of the commit.

    Raises:
        InputError: as `load_classifier` does, if the encoder is a folder of this machine, which
            nobody else has, or if the hub refuses; it says why.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    from susx.encoders.hub import load_failure

    path = local_path(path)
    meta = publishable(path)
    card = model_card(meta, name, licence)
    hub = HfApi(token=token)
    added = [
        CommitOperationAdd(CLASSIFIER, path),
        CommitOperationAdd(CARD, card.encode()),
    ]
    try:
        hub.create_repo(name, private=private, exist_ok=True)
        said = hub.create_commit(name, added, commit_message="Upload a classifier of susx")
    except Exception as error:  # as above
        raise InputError(f"{name}: {load_failure(error, name)}") from None
    return str(said.commit_url)


def publishable(path: str | Path) -> ClassifierMeta:
    """What a classifier file says of itself, if others could load it.

    Raises:
        InputError: as `load_classifier` does, or if the encoder is a folder of this machine.
    """
    meta = read_classifier_meta(path)
    model = meta.encoder_settings.model
    if Path(model).exists() or not _is_valid(_repository(model)):
        raise InputError(
            f"encoder {model}: a folder or file of this machine, which nobody else could load; "
            "make the classifier with a model of the hub"
        )
    return meta


def model_card(meta: ClassifierMeta, name: str, licence: str | None = None) -> str:
    """What the hub shows of a classifier: how it was made, what it was measured on, how it is used.

    Args:
        meta: of the classifier.
        name: `owner/name` of its repository.
        licence: identifier of a licence.

    Raises:
        InputError: if no repository can have that name.
    """
    from huggingface_hub import ModelCardData

    from susx.methods import METHODS

    if "/" not in name or not _is_valid(name):
        raise InputError(f"{name}: no name of a repository; write owner/name")
    method = METHODS[meta.method]
    data = ModelCardData(
        license=licence,
        library_name="susx",
        pipeline_tag="image-classification",
        tags=["susx", "training-free", meta.method],
        base_model=_repository(meta.encoder_settings.model),
    )
    classes = [entry.name for entry in meta.classes]
    support = "none"
    if meta.support is not None:
        support = f"{meta.support}, {len(meta.support_keys)} images; their embeddings are here"
    tested = "not measured: there were no labelled test images"
    if meta.tested is not None:
        share = 100 * meta.tested.correct / meta.tested.n
        tested = f"{share:.2f} % of {meta.tested.n} test images"
    facts = {
        "Method": f"{meta.method} ({method.paper})",
        "Texts": meta.text,
        "Support set": support,
        "Hyper-parameters tuned on": tuned_on_words(meta.protocol, meta.tuned_on),
        "Probabilities calibrated on": meta.calibration.temperature_on,
        "Constants taken from": meta.calibration.constants_on,
        "Assumes": "; ".join(method.assumes) or "nothing of the images beside their classes",
        "Top-1 accuracy": tested,
        "Encoder": f"{meta.encoder_settings.model} ({meta.encoder_settings.library})",
    }
    listed = "; ".join(map(_escaped, classes[:SHOWN_CLASSES]))
    if len(classes) > SHOWN_CLASSES:
        listed += f"; and {len(classes) - SHOWN_CLASSES} more"
    rows = "\n".join(f"| {key} | {_escaped(value)} |" for key, value in facts.items())
    return f"""---
{data.to_yaml()}
---

# {_escaped(meta.dataset)}: {len(classes)} classes

An image classifier that was made from class names, without training, by susx.

| | |
|---|---|
{rows}

```python
import susx

classifier = susx.load_classifier("{HUB_PREFIX}{name}")
names, probabilities = classifier.predict(["one.jpg"])
```

Classes: {listed}
"""


def _is_valid(name: str) -> bool:
    """Whether a repository of the hub could have that name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _repository(model: str) -> str:
    return model.removeprefix(HUB_PREFIX).partition("@")[0]


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, in a cell of a table, too."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{letter}" if letter in "\\|[]*_#`~$" else letter for letter in plain)
