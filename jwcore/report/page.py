"""One self-contained HTML page: headings, text, tables and pictures, readable on any screen and in print."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jwcore.models.writer import atomic

GENERATOR = '<meta name="generator" content="jwcal">'
"""What pages of ours begin with, and files of others do not."""
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --faint: #666; }
@media (prefers-color-scheme: dark) { :root { --faint: #aaa; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; margin-bottom: .3rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; border-bottom: 2px solid var(--line); }
nav a { margin-right: 1rem; white-space: nowrap; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .2rem .6rem; font-size: .9rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line); }
th, td:first-child { white-space: nowrap; } td.words { min-width: 7rem; font-size: .85rem; }
th:first-child, td:first-child, .words { text-align: left; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(11.5rem, 45%), 1fr)); gap: .5rem 1rem; margin: 1rem 0; }
dt { color: var(--faint); font-size: .8rem; } dd { margin: 0; overflow-wrap: anywhere; }
.marks { list-style: none; display: flex; flex-wrap: wrap; gap: .35rem; padding: 0; font-size: .85rem; }
.marks li { padding: .05rem .6rem; border-radius: 1rem; background: var(--soft); border: 1px solid var(--line); }
.marks .good { border-color: #2a9d5c; } .marks .bad { border-color: #d33; background: #d332; }
.panels { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.panels > * { max-width: 40rem; min-width: 0; }
figure { margin: 1rem 0; min-width: 0; } figcaption { color: var(--faint); font-size: .9rem; }
figure svg { width: 100%; height: auto; display: block; }
svg text { fill: currentColor; font-family: system-ui, sans-serif !important; }
.swatch { display: inline-block; width: .9em; height: .9em; border: 1px solid #888; vertical-align: -.1em; margin-right: .5em; }
pre { overflow-x: auto; background: var(--soft); padding: .8rem; font-size: .8rem; line-height: 1.35; }
summary { cursor: pointer; }
"""


class Page:
    """Builds a page from top to bottom.

    Parameters
    ----------
    title : str
        Title and first heading.
    """

    def __init__(self, title: str):
        self.title = title
        self._headings: list[str] = []
        self._top: list[str] = []
        self._parts = self._top
        self._sections: list[list[str]] = []
        self._drawings = 0

    def heading(self, text: str) -> None:
        """Start a section."""
        self._headings.append(text)
        self._parts = [f"<h2>{html.escape(text)}</h2>"]
        self._sections.append(self._parts)

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def verbatim(self, text: str, *, summary: str = "") -> None:
        """Add text in which line breaks and columns matter; with a summary it is folded away."""
        block = f"<pre>{html.escape(text)}</pre>"
        folded = f"<details><summary>{html.escape(summary)}</summary>{block}</details>"
        self._parts.append(folded if summary else block)

    def facts(self, facts: Iterable[tuple[str, object]]) -> None:
        """Add names and values, several in a row."""
        items = "".join(
            f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd></div>" for name, value in facts
        )
        self._parts.append(f"<dl>{items}</dl>")

    def marks(self, marks: Iterable[tuple[str, str, str]]) -> None:
        """Add short words in a row, each with its kind (``good``, ``bad`` or empty) and what is told on hovering."""
        items = "".join(
            f'<li class="{kind}" title="{html.escape(hint)}">{html.escape(text)}</li>' for text, kind, hint in marks
        )
        self._parts.append(f'<ul class="marks">{items}</ul>')

    def table(
        self, header: Sequence[str], rows: Iterable[Sequence[Any]], *, words: Collection[int] = (),
        colours: Sequence[str | None] = (),
    ) -> None:  # fmt: skip
        """Add a table that scrolls where it is wider than the page; the first column is text, the others are figures.

        Parameters
        ----------
        header : sequence of str
            Names of the columns.
        rows : iterable of sequence
            Cells; a list becomes lines below each other.
        words : collection of int, optional
            Further columns of text.
        colours : sequence of str or None, optional
            Colour shown before the first cell of each row, as the legend of a picture.
        """

        def cell(tag: str, column: int, content: str) -> str:
            kind = ' class="words"' if column in words else ""
            return f"<{tag}{kind}>{content}</{tag}>"

        head = "".join(cell("th", column, html.escape(name)) for column, name in enumerate(header))
        body = ""
        for number, row in enumerate(rows):
            cells = [_lines(value) for value in row]
            if number < len(colours) and colours[number]:
                cells[0] = f'<span class="swatch" style="background: {colours[number]}"></span>{cells[0]}'
            body += "<tr>" + "".join(cell("td", column, content) for column, content in enumerate(cells)) + "</tr>"
        self._parts.append(
            f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )

    @contextmanager
    def row(self) -> Iterator[None]:
        """Put what is added meanwhile side by side, where there is room."""
        self._parts.append('<div class="panels">')
        yield
        self._parts.append("</div>")

    @contextmanager
    def stack(self) -> Iterator[None]:
        """Put what is added meanwhile into one place of a row, below each other."""
        self._parts.append("<div>")
        yield
        self._parts.append("</div>")

    def pictures(self, pictures: Iterable[tuple[str, str]]) -> None:
        """Add drawings (SVG) with their captions, side by side where there is room."""
        with self.row():
            for svg, caption in pictures:
                self.picture(svg, caption)

    def picture(self, svg: str, caption: str) -> None:
        """Add a drawing; its caption is the text for those who cannot see it, too."""
        self._drawings += 1
        self._parts.append(_figure(_with_own_names(svg, self._drawings), caption))

    def write(self, path: str | Path) -> Path:
        """Write the page, complete or not at all."""
        path = Path(path)
        links = "\n".join(
            f'<a href="#s{number}">{html.escape(text)}</a>' for number, text in enumerate(self._headings, 1)
        )
        parts = [f"<header><h1>{html.escape(self.title)}</h1>", *self._top, f"<nav>{links}</nav></header>"]
        for number, section in enumerate(self._sections, 1):
            parts += [f'<section id="s{number}">', *section, "</section>"]
        body = "\n".join(parts)
        title = f"<title>{html.escape(self.title)}</title>"
        screen = '<meta name="viewport" content="width=device-width, initial-scale=1">'
        head = f'<meta charset="utf-8">{GENERATOR}{screen}{title}'
        text = f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>\n'
        with atomic(path) as stream:
            stream.write(text.encode(errors="replace"))  # names of files may hold what is no character
        return path


def _figure(svg: str, caption: str) -> str:
    text = html.escape(caption)
    return f'<figure><div role="img" aria-label="{text}">{svg}</div><figcaption>{text}</figcaption></figure>'


def _with_own_names(svg: str, number: int) -> str:
    """Name the parts of a drawing that it refers to by its number in the page: they have names by chance otherwise."""
    names = {name: f"d{number}-{k}" for k, name in enumerate(re.findall(r'\bid="([^"]*)"', svg), 1)}
    return re.sub(r'(\bid="|url\(#|href="#)([^")]*)', lambda found: found[1] + names.get(found[2], found[2]), svg)


def _lines(value: Any) -> str:
    lines = value if isinstance(value, list) else [value]
    return "<br>".join(html.escape(str(line)) for line in lines)
