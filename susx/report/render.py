"""Filling the templates of a page: everything that is put in is escaped, and masked."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.core.errors import InputError
from susx.core.plain import SECRET_VARIABLE, visible, without_secrets
from susx.core.rounding import decimal
from susx.evaluation.schema import Difference
from susx.evaluation.table import p_value, tuned_on

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
MINUS = "−"
MINUTE, HOUR = 60, 3600
GIBI = 1024
SIGNIFICANT = 0.05
"""P-values below it are coloured, as is usual."""


def render(template: str, **values: Any) -> str:
    """Fill a template of `susx/report/templates`.

    Raises:
        InputError: if jinja2 is missing.
    """
    environment = _environment()
    script = _source("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        script=trusted(script),
        script_hash=f"sha256-{digest}",
        style=trusted(_source("style.css")),
        **values,
    )


@cache
def _secrets() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if SECRET_VARIABLE.search(name)}


def told(text: str) -> str:
    """Others' text, which can neither steer what shows it nor tell a secret."""
    return visible(without_secrets(text, _secrets()))


def trusted(text: str) -> Any:
    """Mark text of this package, or of the drawing library, as HTML."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704


@cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise InputError(
            "reports need packages that are not installed; run pip install 'susx[report]'"
        ) from None

    def shown(value: Any) -> Any:
        return told(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "dash": lambda text: "–" if text == "-" else text,
        "duration": duration,
        "fixed": fixed,
        "mebibytes": mebibytes,
        "p_value": p_value,
        "signed": signed,
        "thousands": thousands,
        "tuned_on": tuned_on,
        "verdict": verdict,
    }
    environment.filters |= filters
    return environment


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


def fixed(value: float, places: int = 1) -> str:
    """A number with so many decimals."""
    return decimal(value, places)


def signed(value: float, places: int = 1) -> str:
    """A number with its sign, as typeset."""
    return decimal(value, places, sign=True).replace("-", MINUS)


def thousands(n: int) -> Any:
    """A count with its thousands apart."""
    return trusted(f"{n:,}".replace(",", "&nbsp;"))


def verdict(difference: Difference) -> str:
    """Class of a difference: nothing is said of one that chance explains, among all of its kind."""
    if difference.holm_p is None or difference.holm_p >= SIGNIFICANT:
        return ""
    return "good" if difference.mean > 0 else "bad"


def duration(seconds: float) -> str:
    """Seconds in the unit that fits."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.1f} min"
    return f"{seconds / HOUR:.1f} h"


def mebibytes(value: float) -> str:
    """MiB in the unit that fits."""
    return f"{value:.0f} MiB" if value < GIBI else f"{value / GIBI:.1f} GiB"
