"""results/{dataset}/report.html: everything that people look at, in one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from susx.config.report import ReportSettings
from susx.core.errors import InputError
from susx.core.files import atomic, read_checked
from susx.evaluation.schema import Result
from susx.manifests.classes import embedded_records, records_sha256
from susx.manifests.tables import ImageRecord, SupportRecord, Table, read_table
from susx.prompts.strategies import PromptSet
from susx.report import origin
from susx.report.batch_rows import BatchRows, batch_rows
from susx.report.card import ShareCard
from susx.report.costs import MethodCost, StageCost, method_costs, stage_costs
from susx.report.downloads import downloads, row_values
from susx.report.drawn import Figure
from susx.report.examples import Change, ExampleCard, changes
from susx.report.gallery import ImageSet, SupportFacts, support_set, test_set
from susx.report.losses import Loss, losses
from susx.report.render import render, told
from susx.report.results_table import ResultTable, result_rows
from susx.report.row_details import RowDetail, RowKey, row_details
from susx.report.schema import Analysis, Outliers
from susx.report.story import Story, story
from susx.report.thumbnails import GalleryPlan, plan_gallery

GROUP = 50
ONE_GROUP = 60
STRIP = {"corrected": 5, "broken": 2}
"""Changed test images at the top of a page: as many as stand in a line on a screen."""


@dataclass(frozen=True)
class SupportFiles:
    """Manifest and images of a support set.

    Attributes:
        manifest: table of SupportRecord.
        images: tar of the kept ones.
        entry: name in the configuration; draws of one few-shot entry share it.
        queries: texts that found the images, if any did.
    """

    manifest: str
    images: str
    entry: str
    queries: str | None = None


@dataclass(frozen=True)
class ImageFiles:
    """Where the images of a dataset are told of; published features have none."""

    test: str | None = None
    supports: Mapping[str, SupportFiles] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassGroup:
    """Classes that are shown and hidden together: their labels and names."""

    title: str
    classes: Sequence[tuple[int, str]]


@dataclass(frozen=True)
class Strip:
    """A few of the test images that changed, with pictures; `corrected` or `broken` each."""

    change: Change
    examples: Sequence[tuple[str, ExampleCard]]


@dataclass(frozen=True)
class Page:
    """What the template of a report reads."""

    result: Result
    table: ResultTable
    batches: BatchRows
    figures: Sequence[Figure]
    card: ShareCard | None
    plan: GalleryPlan
    sets: Sequence[ImageSet]
    groups: Sequence[ClassGroup]
    left_out: Sequence[str]
    story: Story | None
    details: Mapping[RowKey, RowDetail]
    downloads: Mapping[str, str]
    strip: Strip | None
    changes: Sequence[Change]
    losses: Sequence[Loss]
    costs: Sequence[StageCost]
    method_costs: Sequence[MethodCost]
    target: str
    configuration: str
    facts: Sequence[tuple[str, str]]
    encoder_facts: Mapping[str, Sequence[tuple[str, str]]]
    input_hashes: Sequence[tuple[str, str]]


def read_analysis(path: str, classes_sha256: str) -> Analysis:
    """Read an analysis.

    Raises:
        InputError: if it is damaged, of another version, or belongs to another class list.
    """
    advice = "delete it and run again"
    data = read_checked(path, advice)
    try:
        analysis = Analysis.model_validate(data)
    except ValidationError:
        raise InputError(f"{path}: not an analysis of this version; {advice}") from None
    if analysis.classes_sha256 != classes_sha256:
        raise InputError(f"{path}: belongs to another class list; {advice}")
    return analysis


def write_page(
    path: str,
    result: Result,
    analyses: Sequence[Analysis],
    files: ImageFiles,
    figures: Sequence[Figure] = (),
    settings: ReportSettings | None = None,
    stores: Sequence[str] = (),
    threads: int = 1,
    card: ShareCard | None = None,
) -> None:
    """Write the report of a dataset.

    Args:
        path: HTML file to write.
        result: of the dataset.
        analyses: one per encoder.
        files: where its images are told of.
        figures: what is drawn.
        settings: section `report` of the configuration.
        stores: folders of the project's stores, whose receipts say what its jobs took.
        threads: that read test images.
        card: the share card.

    Raises:
        InputError: if a file is broken or foreign, the result was made from other images, or a
            package is missing.
    """
    settings = settings or ReportSettings()
    classes, classes_sha256 = result.classes, result.provenance.get("classes_sha256")
    shown = {name: support for name, support in files.supports.items() if _first(name, files)}
    voting = {(_support_of(a), v.key) for a in analyses for e in a.examples for v in e.voters}
    examples = [example for analysis in analyses for example in analysis.examples]
    n_sets = len(shown) + (files.test is not None)
    most = settings.images_per_class, settings.thumbnail
    n_others = sum(1 + len(e.voters) for e in examples) + sum(STRIP.values())
    fitting = plan_gallery(len(classes), n_sets, n_others, *most)

    supports = {}
    for analysis in analyses:
        if analysis.encoder in result.encoders:
            _check(result, result.encoders[analysis.encoder].inputs, analysis.inputs)
    for name, support in files.supports.items():
        keys = {key for owner, key in voting if owner == name}
        if name in shown or keys:
            table = read_table(support.manifest, SupportRecord, classes_sha256)
            _check_listed(result, f"support-{name}", table)
            own = fitting if name in shown else replace(fitting, n_classes=0)
            known = SupportFacts(_queries(support, result), _outliers(name, analyses))
            supports[name] = support_set(name, table, support.images, own, keys, known)
    listed: Table | None = None
    test: ImageSet | None = None
    if files.test is not None:
        listed = read_table(files.test, ImageRecord, classes_sha256)
        _check_listed(result, "images-test", listed)
        test = test_set(listed, fitting, {example.key for example in examples}, threads)

    hidden = [name for name in files.supports if name not in shown]
    rows = result_rows(result)
    changed = [changes(a, test, supports.get(_support_of(a) or "")) for a in analyses]
    page = Page(
        result=result,
        table=rows,
        batches=batch_rows(result),
        figures=figures,
        card=card,
        plan=fitting,
        sets=[*(supports[name] for name in shown), *([test] if test else [])],
        groups=list(_groups(classes[: fitting.n_classes])),
        left_out=list(_left_out(fitting, len(classes), settings, hidden)),
        story=story(result, analyses),
        details=row_details(result, figures),
        downloads=downloads([row_values(row, told) for row in rows.rows]),
        strip=_strip(changed),
        changes=changed,
        losses=list(losses(result, listed.meta if listed else None, test.n_lost if test else 0)),
        costs=stage_costs(result, stores),
        method_costs=method_costs(result),
        target=path,
        configuration=origin.configuration(result),
        facts=list(origin.origin_facts(result)),
        encoder_facts=origin.encoder_facts(result),
        input_hashes=origin.input_hashes(result),
    )
    text = render("report.html.j2", page=page)
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")


def _queries(support: SupportFiles, result: Result) -> PromptSet | None:
    """The texts that found a support set."""
    if support.queries is None:
        return None
    sha256 = result.provenance["classes_sha256"]
    return PromptSet.of_classes(support.queries, result.classes, sha256)


def _outliers(name: str, analyses: Sequence[Analysis]) -> Outliers | None:
    """What the first encoder that looked at a support set says of it."""
    found = (one for analysis in analyses for one in analysis.outliers if one.support == name)
    return next(found, None)


def _check_listed(result: Result, name: str, table: Table) -> None:
    own = {name: records_sha256(embedded_records(table))}
    for encoder in result.encoders.values():
        _check(result, encoder.manifests, own)


def _check(result: Result, known: Mapping[str, str | None], own: Mapping[str, str | None]) -> None:
    """Compare hashes with those that a result names."""
    for name, sha256 in own.items():
        if known.get(name, sha256) != sha256:
            raise InputError(
                f"{result.dataset}: the result was made from another {name} than the report reads; "
                "delete it and run again"
            )


def _first(name: str, files: ImageFiles) -> bool:
    """Whether no earlier support set is a draw of the same entry."""
    entry = files.supports[name].entry
    return name == next(other for other, s in files.supports.items() if s.entry == entry)


def _support_of(analysis: Analysis) -> str | None:
    """Name of the files of the support set that an analysis looks at."""
    return analysis.shown.drawn if analysis.shown else None


def _strip(changed: Sequence[Change]) -> Strip | None:
    """That of the first encoder with a row that is looked at."""
    change = next((one for one in changed if one.shown), None)
    if change is None:
        return None
    examples = [
        (kind, example)
        for kind, found in (("corrected", change.corrected), ("broken", change.broken))
        for example in [one for one in found if one.picture][: STRIP[kind]]
    ]
    return Strip(change, examples) if examples else None


def _groups(classes: Sequence[str]) -> Iterator[ClassGroup]:
    step = GROUP if len(classes) > ONE_GROUP else max(1, len(classes))
    for start in range(0, len(classes), step):
        part = classes[start : start + step]
        title = f"Classes {start + 1} to {start + len(part)}: {part[0]} to {part[-1]}"
        yield ClassGroup(title, list(enumerate(part, start)))


def _left_out(
    fitting: GalleryPlan, n_classes: int, settings: ReportSettings, hidden: Iterable[str]
) -> Iterator[str]:
    """What a page does not show, so that it stays small."""
    if fitting.per_class < settings.images_per_class:
        yield (
            f"all but {fitting.per_class} of the {settings.images_per_class} images per class and "
            "source that are configured"
        )
    if fitting.n_classes < n_classes:
        yield f"images of {n_classes - fitting.n_classes} classes, after the first"
    if fitting.side < settings.thumbnail:
        yield f"pixels: pictures have at most {fitting.side}, not {settings.thumbnail}"
    if fitting.large is None or not fitting.large.of_all:
        yield "larger pictures in dialogs" + (", but for changed answers" if fitting.large else "")
    if names := ", ".join(hidden):
        yield f"other few-shot draws ({names})"
