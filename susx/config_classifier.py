"""Section `classifier` of config.yaml, and what it means for a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from susx.config_types import Section
from susx.errors import InputError, listing, suggestion
from susx.methods import METHODS

if TYPE_CHECKING:
    from susx.config import Config

TEXT_ONLY = ("cupl+e", "cupl", "zero-shot")
"""Methods without a support set, the best first."""


class Classifier(Section):
    """Which row of the result becomes a classifier file, and predicts."""

    encoder: str | None = Field(
        None, description="Encoder of the predictions; the first evaluated one if left out."
    )
    method: str | None = Field(
        None,
        description="Method; if left out `tip-x`, or without a support set the first of `cupl+e`, "
        "`cupl` and `zero-shot` that has its texts. `transclip` and `fusion` learn from all images "
        "that they classify together, and make no file.",
    )
    text: str | None = Field(
        None,
        description="Prompt strategy under a method that does not name its own; if left out, the "
        "first of `evaluation.texts`, `cupl+e` and `ensemble` that the dataset has.",
    )
    support: str | None = Field(
        None, description="Support set, a few-shot one by its first seed; the first if left out."
    )
    protocol: Literal["validation", "support", "fixed"] | None = Field(
        None,
        description="How hyper-parameters are chosen; if left out `validation` where validation "
        "images are labelled, else `fixed`.",
    )


@dataclass(frozen=True)
class Choice:
    """A row of the result: one method with its text, support set and tuning protocol."""

    method: str
    text: str
    support: str | None
    protocol: str


def choose(
    settings: Classifier,
    texts: Sequence[str],
    supports: Sequence[str],
    tuned_on: str | None,
    dataset: str,
) -> Choice:
    """Fill what section `classifier` leaves out with what a dataset has.

    Args:
        settings: the section.
        texts: prompt strategies that the dataset can have, the preferred one first.
        supports: support sets that it can have.
        tuned_on: what its protocol `validation` means: `validation`, `test`, or None without
            labelled images for it. Never chosen where it is `test`.
        dataset: name of the dataset, for error messages.

    Raises:
        InputError: if the dataset lacks what is named.
    """
    method = settings.method or ("tip-x" if supports else _text_only(texts, dataset))
    known = METHODS[method]
    text = known.texts[0] if known.texts else settings.text or next(iter(texts), "")
    if text not in texts:
        raise InputError(
            f'classifier: {method} needs prompt strategy "{text}", whose texts datasets.{dataset} '
            f"lacks; it can have {listing(texts) or 'none'}"
        )
    support = (settings.support or next(iter(supports), "")) if known.needs_support else None
    if support is not None and support not in supports:
        raise InputError(
            f"classifier: {method} needs a support set, and datasets.{dataset} can have "
            f"{listing(supports) or 'none'}; name one under supports, or `method: zero-shot`"
        )
    if not known.grid:
        return Choice(method, text, support, "none")
    protocol = settings.protocol or ("validation" if tuned_on == "validation" else "fixed")
    if protocol == "validation" and tuned_on is None:
        raise InputError(
            f"classifier.protocol: datasets.{dataset} has no validation images; use `support` or "
            "`fixed`"
        )
    return Choice(method, text, support, protocol)


def _text_only(texts: Sequence[str], dataset: str) -> str:
    for name in TEXT_ONLY:
        if METHODS[name].texts[0] in texts:
            return name
    raise InputError(f"classifier: datasets.{dataset} has no support set and no texts; name a pool")


def classifier_problems(config: Config) -> Iterable[str]:
    """One line per name in the section that nothing answers to, or that does not fit others."""
    settings = config.classifier
    if settings.method is None:
        return
    method = METHODS.get(settings.method)
    if method is None:
        hint = suggestion(settings.method, METHODS) or f"; there are {listing(METHODS, 20)}"
        yield f'classifier.method: unknown method "{settings.method}"{hint}'
        return
    if not method.exportable:
        exportable = [name for name, known in METHODS.items() if known.exportable]
        yield (
            f"classifier.method: {method.name} learns from all images that it classifies together, "
            f"so that no file can classify others as it does; use {listing(exportable, 20)}"
        )
    if method.texts and settings.text not in (None, *method.texts):
        yield f'classifier.text: {method.name} stands for texts "{method.texts[0]}"; remove this'
    if settings.support and not method.needs_support:
        yield f"classifier.support: {method.name} uses no support set; remove this"
    if settings.protocol and not method.grid:
        yield f"classifier.protocol: {method.name} has nothing to choose; remove this"
