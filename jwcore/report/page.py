"""One self-contained HTML page: headings, text, tables and pictures, readable on any screen and in print."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; } figure { margin: 1rem 0; } figcaption { color: #777; font-size: .9rem; }
pre { overflow-x: auto; background: #8881; padding: .8rem; font-size: .8rem; line-height: 1.35; }
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
        self._parts: list[str] = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        """Start a section."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def verbatim(self, text: str) -> None:
        """Add text in which line breaks and columns matter."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table; the first column is text, the others are figures."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>" for row in rows
        )
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def picture(self, png: bytes, caption: str) -> None:
        """Add a picture with its caption; the caption is the text for those who cannot see it, too."""
        data = base64.b64encode(png).decode()
        text = html.escape(caption)
        self._parts.append(
            f'<figure><img src="data:image/png;base64,{data}" alt="{text}"><figcaption>{text}</figcaption></figure>'
        )

    def write(self, path: str | Path) -> Path:
        """Write the page."""
        path = Path(path)
        body = "\n".join(self._parts)
        title = f"<title>{html.escape(self.title)}</title>"
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">{title}'
        path.write_text(
            f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>\n'
        )
        return path
