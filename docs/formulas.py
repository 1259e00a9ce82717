"""Formulas of the site: LaTeX becomes MathML, which browsers show without scripts or fonts.

A formula within a line is written as code between two `$`, a formula of its own as a block of the
language `math`; code hosts show both. docutils translates, and refuses what it does not know.
"""

import re
from html import unescape
from typing import Any

from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

INLINE = re.compile(r"\$<code>(.+?)</code>\$")
"""What Markdown makes of code between two `$`."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Let pages have blocks of formulas."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "math", "class": "", "format": displayed}]
    return config


def on_page_content(html: str, **_: Any) -> str:
    """Put MathML where formulas stand within lines."""
    return INLINE.sub(lambda found: mathml(unescape(found[1])), html)


def displayed(latex: str, *_: Any, **__: Any) -> str:
    """A formula of its own, as the Markdown extension for blocks asks for it."""
    return mathml(latex, block=True)


def mathml(latex: str, *, block: bool = False) -> str:
    """A formula as MathML in one line.

    Raises:
        PluginError: if docutils cannot read it; the site is not built then.
    """
    try:
        return re.sub(r">\s+<", "><", tex2mathml(latex, as_block=block))
    except MathError as error:
        raise PluginError(f"formula {latex!r}: {error}") from error
