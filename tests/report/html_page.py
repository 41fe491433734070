"""A page taken apart for tests, with the standard library's HTML parser and no leniency."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    children: list[Element] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside, in order, with single spaces."""
        return " ".join("".join(self.words).split())

    def find(self, tag: str | None = None, **attributes: str) -> list[Element]:
        """Every element below that has this tag and these attributes; ``class_`` asks for one class among several."""
        wanted = attributes.pop("class_", None)
        found = []
        for child in self.children:
            classes = (child.attributes.get("class") or "").split()
            matches = all(child.attributes.get(name.replace("_", "-")) == value for name, value in attributes.items())
            if tag in (None, child.tag) and matches and (wanted is None or wanted in classes):
                found.append(child)
            found += child.find(tag, **attributes, **({"class_": wanted} if wanted else {}))
        return found


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"<{tag}> gives an attribute twice: {attrs}"
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}> at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.words.append(data)


def parse(html: str) -> Element:
    """The page as a tree; fails where a tag is left open or closed out of order."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert len(parser.open) == 1, f"left open: {[element.tag for element in parser.open[1:]]}"
    return parser.root
