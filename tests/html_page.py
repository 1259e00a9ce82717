"""Reading an HTML page without a browser."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br"}
CLOSED_BY = {"dt": {"dt", "dd"}, "dd": {"dt", "dd"}}
"""Elements whose end tag may be left out, and what ends them."""
ADDRESSES = {"href", "src", "srcset", "action", "formaction", "data", "poster", "xlink:href"}


@dataclass
class Element:
    """A start tag, with the text inside."""

    tag: str
    attributes: dict[str, str]
    path: tuple[str, ...]
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, tag: str) -> Iterator["Element"]:
        """Elements of a kind inside this one, in order."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.all(tag)

    def rows(self) -> list[list[str]]:
        """Texts of a table's body."""
        body = next(self.all("tbody"))
        return [[" ".join(cell.text.split()) for cell in row.children] for row in body.all("tr")]


class Page(HTMLParser):
    """A page; every element must be closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("", {}, ())
        self._open = [self.root]
        self.feed(text)
        self.close()
        assert [element.tag for element in self._open] == [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end_optional(CLOSED_BY.get(tag, set()))
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        path = tuple(element.tag for element in self._open[1:])
        element = Element(tag, {name: value or "" for name, value in attrs}, path)
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._end_optional({"dt", "dd"} - {tag})
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def _end_optional(self, tags: set[str]) -> None:
        if self._open[-1].tag in tags:
            self._open.pop()

    def all(self, tag: str) -> list[Element]:
        """Elements of a kind, in order."""
        return list(self.root.all(tag))

    def elements(self) -> Iterator[Element]:
        """All elements, in order."""

        def below(element: Element) -> Iterator[Element]:
            for child in element.children:
                yield child
                yield from below(child)

        return below(self.root)

    def table(self, caption: str) -> Element:
        """The table whose caption begins so."""
        return next(
            table
            for table in self.all("table")
            if next(table.all("caption")).text.strip().startswith(caption)
        )

    def addresses(self) -> list[str]:
        """Everything that a browser might load or follow."""
        return [
            value
            for element in self.elements()
            for name, value in element.attributes.items()
            if name in ADDRESSES
        ]
