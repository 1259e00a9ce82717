"""Tables of a page as files that it holds itself: CSV and JSON."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from susx.evaluation.schema import Difference
from susx.report.lines import Line, MeanValue
from susx.report.results_table import TableRow

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula."""


def downloads(values: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Addresses of a table, by suffix, as data that a page can hold.

    Args:
        values: of its rows, by column.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(values[0]) if values else [], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in values)
    text = json.dumps(list(values), ensure_ascii=False, indent=1, allow_nan=False)
    return {
        "csv": _address("text/csv", stream.getvalue()),
        "json": _address("application/json", text),
    }


def row_values(row: TableRow, shown: Callable[[str], str]) -> dict[str, Any]:
    """What a file tells of a row.

    Args:
        row: the row.
        shown: how a text of others may be told.
    """
    low, high = row.interval or (None, None)
    return {
        "method": shown(row.method),
        "top1": row.top1,
        **_difference("vs_best_text", row.best_text),
        **_inputs(row, shown),
        "tuned_on": None if row.tuned_on == "-" else row.tuned_on,
        "transductive": row.transductive,
        "ci95_low": low,
        "ci95_high": high,
        "spread": row.spread or None,
        "top5": row.top5,
        "mean_per_class": row.mean_per_class,
        **_difference("vs_zero_shot", row.delta),
        "reported": row.reported.top1 if row.reported else None,
    }


def mean_values(line: Line, shown: Callable[[str], str]) -> dict[str, Any]:
    """What a file tells of the means over all datasets, likewise."""
    row = line.first
    return {
        "method": shown(row.method),
        **_inputs(row, shown),
        "protocol": row.protocol,
        "n_datasets": len(line.rows),
        "tuned_on_test": line.on_test,
        **_mean("top1", line.mean),
        **_mean("vs_zero_shot", line.delta),
    }


def _inputs(row: TableRow, shown: Callable[[str], str]) -> dict[str, str | None]:
    return {
        "encoder": shown(row.encoder),
        "text": shown(row.text),
        "support": None if row.support == "-" else shown(row.support),
    }


def _mean(name: str, mean: MeanValue | None) -> dict[str, float | None]:
    low, high = (mean and mean.interval) or (None, None)
    return {name: mean.value if mean else None, f"{name}_low": low, f"{name}_high": high}


def _difference(name: str, difference: Difference | None) -> dict[str, float | None]:
    low, high = difference.ci95 if difference else (None, None)
    return {
        name: difference.mean if difference else None,
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_holm_p": difference.holm_p if difference else None,
    }


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run is marked as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _address(kind: str, text: str) -> str:
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"
