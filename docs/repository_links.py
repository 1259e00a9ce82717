"""Links of the site to files beside docs/, which work on a code host as they are.

A file of the repository that a page links to becomes part of the site, below `repository/`:
Markdown as a page, everything else as it is.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS, REPOSITORY = "docs/", "repository/"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that pages link to, and those that these link to."""
    waiting = [DOCS + file.src_uri for file in files.documentation_pages()]
    seen = set(waiting)
    while waiting:
        source = waiting.pop()
        if not source.endswith(".md"):
            continue
        text = (ROOT / source).read_text("utf-8")
        for target in (resolved(source, link) for link in LINK.findall(text)):
            if target in seen or target.startswith((DOCS, "..")) or not (ROOT / target).is_file():
                continue
            seen.add(target)
            waiting.append(target)
            file = File.generated(config, REPOSITORY + target, abs_src_path=str(ROOT / target))
            file.inclusion = InclusionLevel.NOT_IN_NAV
            files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links between docs/ and the rest of the repository lead to the pages of the site."""
    place = page.file.src_uri
    source = place.removeprefix(REPOSITORY) if place.startswith(REPOSITORY) else DOCS + place

    def moved(match: re.Match[str]) -> str:
        target = resolved(source, match[1])
        uri = target.removeprefix(DOCS) if target.startswith(DOCS) else REPOSITORY + target
        return relpath(uri, PurePosixPath(place).parent) if uri in files.src_uris else match[1]

    return LINK.sub(moved, markdown)


def resolved(source: str, link: str) -> str:
    """Path in the repository that a link of one of its files means."""
    return normpath(PurePosixPath(source).parent / link)
