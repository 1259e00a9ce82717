"""Which row of a result becomes a classifier."""

from __future__ import annotations

from collections.abc import Sequence

from susx.config.classifier import ClassifierSettings
from susx.core.errors import InputError, listing
from susx.evaluation.case import Case, Protocol
from susx.methods import METHODS

TEXT_ONLY = ("cupl+e", "cupl", "zero-shot")
"""Methods without a support set, the best first."""


def classifier_case(
    settings: ClassifierSettings,
    texts: Sequence[str],
    supports: Sequence[str],
    tuned_on: str | None,
    dataset: str,
) -> Case:
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
        return Case(method=method, text=text, support=support, protocol="none")
    default: Protocol = "validation" if tuned_on == "validation" else "fixed"
    protocol = settings.protocol or default
    if protocol == "validation" and tuned_on is None:
        raise InputError(
            f"classifier.protocol: datasets.{dataset} has no validation images; use `support` or "
            "`fixed`"
        )
    return Case(method=method, text=text, support=support, protocol=protocol)


def _text_only(texts: Sequence[str], dataset: str) -> str:
    for name in TEXT_ONLY:
        if METHODS[name].texts[0] in texts:
            return name
    raise InputError(f"classifier: datasets.{dataset} has no support set and no texts; name a pool")
