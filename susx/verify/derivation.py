"""How a result follows from its sources, by the receipts of what lies between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from susx.artifacts.recipe import Receipt, Source
from susx.artifacts.stages import STAGES
from susx.artifacts.store import receipt_of
from susx.verify.sources import Sources


@dataclass(frozen=True)
class Trace:
    """What led to an artifact.

    Attributes:
        changes: what is not as it was, in words.
        sources: kinds and names of what nothing of the pipeline made.
        stages: names of all stages.
    """

    changes: frozenset[str] = frozenset()
    sources: frozenset[tuple[str, str]] = frozenset()
    stages: frozenset[str] = frozenset()

    def __or__(self, other: Trace) -> Trace:
        return Trace(
            self.changes | other.changes,
            self.sources | other.sources,
            self.stages | other.stages,
        )


class Derivation:
    """Traces artifacts back.

    Something between may have been made again since, from other sources, and have come out the
    same: then nothing behind it was made again. So two receipts are asked of everything between,
    the one that is kept and that of what lies at its place now, and one that fits is enough.
    """

    def __init__(self, receipt: Receipt, sources: Sources) -> None:
        """Begin with the receipt of what is traced."""
        self._kept, self._sources = dict(receipt.tree), sources
        self._traces: dict[str, Trace] = {}

    def trace(self, receipt: Receipt) -> Trace:
        """What led to an artifact."""
        recipe = receipt.recipe
        if recipe.key not in self._traces:
            self._traces[recipe.key] = Trace()  # ends what leads back to itself, as no recipe does
            traced = Trace(frozenset(_of_stage(receipt)), stages=frozenset((recipe.stage,)))
            for name, sources in recipe.inputs.items():
                for source in sources:
                    traced |= self._behind(name, source, receipt)
            self._traces[recipe.key] = traced
        return self._traces[recipe.key]

    def _behind(self, name: str, source: Source, receipt: Receipt) -> Trace:
        if source.key is None:
            change = self._sources.change(name, source, receipt)
            return Trace(
                frozenset((change,) if change else ()),
                frozenset((self._sources.named(name, source),)),
            )
        traces = [self.trace(one) for one in self._receipts(source)]
        if not traces:
            return Trace(frozenset((f"{source.path}: no receipt says what it was made from",)))
        return min(traces, key=lambda trace: len(trace.changes))

    def _receipts(self, source: Source) -> Iterator[Receipt]:
        """Receipts of an artifact of the same content, the one that is kept first."""
        kept, found = self._kept.get(source.key or ""), receipt_of(source.path)
        if found and _holds(found, source):
            self._kept = {**found.tree, **self._kept}
        if kept and _holds(kept, source):
            yield kept
        if found and _holds(found, source):
            yield found


def _holds(receipt: Receipt, source: Source) -> bool:
    return source.identity in {output.sha256 for output in receipt.outputs.values()}


def _of_stage(receipt: Receipt) -> Iterator[str]:
    stage, version = receipt.recipe.stage, receipt.recipe.version
    if stage not in STAGES:
        yield f"stage {stage} is not there any more"
    elif STAGES[stage] != version:
        yield f"stage {stage} is of version {STAGES[stage]}, was {version}"
