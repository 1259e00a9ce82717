"""The result of a dataset: the evaluations of all its encoders, joined. Imports no PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from susx.core.errors import InputError
from susx.core.provenance import PACKAGES
from susx.evaluation.schema import SCHEMA, Result
from susx.evaluation.statistics import holm
from susx.manifests.classes import ClassManifest
from susx.methods import METHODS, Method
from susx.prompts.strategies import PromptSet

DIFFERENCES = ("delta_vs_zero_shot", "delta_vs_best_text", "delta_vs_tip_adapter")
"""What runs have by reference; each is a family of tests."""


def collate(
    dataset: str,
    classes: ClassManifest,
    prompts: Sequence[PromptSet],
    parts: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Join the evaluations of all encoders into a validated result.

    Args:
        dataset: its name.
        classes: its class manifest.
        prompts: its texts, but those of published features.
        parts: what `evaluate_caches` returned, one per encoder.
        provenance: what else is to be said of the making; its `versions` are those of packages that
            the parts do not tell.

    Raises:
        InputError: if the parts are of other classes, images, support sets or texts than one
            another.
    """
    _check_parts(classes, parts)
    first = parts[0]
    sources = {texts.strategy: texts.provenance for texts in prompts}
    rows = {
        kind: [row for part in parts for row in part[kind]]
        for kind in ("runs", "skipped", "seeds", "batch_runs")
    }
    result = {
        "schema": SCHEMA,
        "dataset": dataset,
        "classes": classes.names,
        "prompt_names": {c.name: c.prompt_name for c in classes if c.name != c.prompt_name},
        "n_classes": len(classes),
        "n_test": first["images"]["test"]["n_read"],
        "n_validation": first["images"].get("validation", {"n_read": 0})["n_read"],
        "images": first["images"],
        "texts": {
            name: {"n": n, "sources": sources.get(name, {})} for name, n in first["texts"].items()
        },
        "supports": first["supports"],
        "batches": first["batches"],
        "encoders": {part["encoder"]: part["provenance"] for part in parts},
        "methods": {
            name: {"paper": METHODS[name].paper, "units": _units(METHODS[name])}
            for name in dict.fromkeys(row["method"] for row in rows["runs"] + rows["skipped"])
        },
        "provenance": {
            **provenance,
            "classes_sha256": classes.sha256,
            **_common(parts, provenance.get("versions", {})),
        },
        **rows,
    }
    adjust(result["runs"])
    Result.model_validate(result)
    return result


def adjust(runs: Sequence[dict[str, Any]]) -> None:
    """Add to all differences the p-values that hold for them together, one kind at a time.

    Rows that were tuned on the test images have none: no test holds for them.
    """
    for kind in DIFFERENCES:
        differences = [run[kind] for run in runs if run.get(kind)]
        tested = [run[kind] for run in runs if run.get(kind) and run["tuned_on"] != "test"]
        for difference in differences:
            difference["holm_p"] = None
        adjusted = holm([difference["mcnemar_p"] for difference in tested])
        for difference, p in zip(tested, adjusted, strict=True):
            difference["holm_p"] = p


def _units(method: Method) -> dict[str, str]:
    return {name: "logits" if axis.scaled else "1" for name, axis in method.grid.items()}


def _check_parts(classes: ClassManifest, parts: Sequence[Mapping[str, Any]]) -> None:
    """Evaluations of one dataset have the same classes, images, support sets and texts."""
    first, name = _identity(parts[0]), parts[0]["encoder"]
    if first["class lists"] != classes.sha256:
        raise InputError(
            f"{name}: evaluated with another class list; delete its evaluation and run again"
        )
    for part in parts[1:]:
        own = _identity(part)
        for what in first | own:
            if first.get(what) != own.get(what):
                raise InputError(
                    f"{name} and {part['encoder']}: evaluated with different {what}; delete both "
                    "evaluations and run again"
                )


def _identity(part: Mapping[str, Any]) -> dict[str, Any]:
    """What the evaluations of all encoders must have in common, by its name in messages."""
    made = part["provenance"]
    return {
        "class lists": made.get("classes_sha256"),
        **made["inputs"],
        **{f"counts of images-{split}": counts for split, counts in part["images"].items()},
        **{f"counts of support-{name}": counts for name, counts in part["supports"].items()},
        **{f"batches {name}": facts for name, facts in part["batches"].items()},
    }


def _common(parts: Sequence[Mapping[str, Any]], packages: Mapping[str, str]) -> dict[str, Any]:
    """What made the parts, as of one: what differs is joined; of several commits it is none."""
    made = [part["provenance"] for part in parts]

    def joined(values: Iterable[str]) -> str:
        return " / ".join(dict.fromkeys(values))

    commits = {one["git_commit"] for one in made}
    versions = {name: joined(one["versions"][name] for one in made) for name in PACKAGES}
    return {
        "git_commit": commits.pop() if len(commits) == 1 else None,
        "versions": {**versions, **packages},
        "python": joined(one["python"] for one in made),
        "machine": joined(one["machine"] for one in made),
    }
