"""Code blocks of README and docs."""

import re
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
GENERATED = ("config.md", "results.md", "licences.md")
WITHOUT_LINKS = ("docs/licences.md",)
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
WRITTEN = [page for page in PAGES if Path(page).name not in GENERATED]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def text_of(page: str) -> str:
    """A page's Markdown."""
    return (ROOT / page).read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Code blocks of a page in one language."""
    found = BLOCK.findall(text_of(page))
    return [dedent(code) for _, written, code in found if written == language]


def formulas(page: str) -> list[str]:
    """LaTeX of a page's formulas, within lines and as blocks."""
    text = BLOCK.sub("", text_of(page))
    return re.findall(r"\$`([^`]+)`\$", text) + blocks(page, "math")


def commands(page: str) -> list[str]:
    """Lines of a page's blocks of shell commands, and its inline code."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    prose = BLOCK.sub("", text_of(page))
    inline = re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)
    return [line.strip() for line in lines] + [" ".join(code.split()) for code in inline]
