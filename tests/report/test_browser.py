"""How pages look in a real browser: nothing is wider than the screen, nothing overlaps, no text is cut off or too small."""

import html
import json
import re
import shutil
import subprocess

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
WIDTHS = (1280, 390)
MEASURE = """
<script>
const box = one => { const r = one.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
const common = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
const overlap = (a, b) => common(a, b, 0, 2) > 1 && common(a, b, 1, 3) > 1;
const overlaps = boxes => boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => overlap(a, b))).length;
const outside = (a, b) => a[0] < b[0] - 2 || a[1] < b[1] - 2 || a[2] > b[2] + 2 || a[3] > b[3] + 2;
const scale = svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
const measure = frame => {
  const page = frame.contentDocument, width = frame.clientWidth;
  const all = (what, from = page) => [...from.querySelectorAll(what)];
  const texts = all("figure svg").flatMap(svg => all("text", svg).map(text => [text, svg]));
  return {
    sections: all("header, section").length,
    drawings: all("figure svg").length,
    images: all("svg image").filter(one => one.getBoundingClientRect().width > 20).length,
    spill: Math.max(0, page.body.scrollWidth - page.body.clientWidth),
    wide: all("body *").filter(one => !one.closest(".wide *, pre *, svg *") && box(one)[2] > width + 1)
      .map(one => one.outerHTML.slice(0, 80)),
    overlaps: overlaps(all("header, section").map(box))
      + all(".panels, dl, header, section").map(one => overlaps([...one.children].map(box))).reduce((a, b) => a + b),
    flat: all("section, figure svg").filter(one => one.getBoundingClientRect().height < 20).length,
    cut: texts.filter(([text, svg]) => outside(box(text), box(svg))).map(([text]) => text.textContent),
    small: texts.filter(([text, svg]) => parseFloat(text.style.fontSize) * scale(svg) < 9)
      .map(([text]) => text.textContent),
  };
};
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map(measure);
  document.body.innerHTML = "<pre></pre>";
  document.querySelector("pre").textContent = JSON.stringify(found);
});
</script>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome here")


def browse(place, frames, *options, script=""):
    """Run the browser without a window on pages side by side, each in a frame of some style."""
    shown = "".join(
        f'<iframe style="{style}" srcdoc="{html.escape(page.read_text())}"></iframe>' for page, style in frames
    )
    place.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin: 0">{shown}{script}')
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={place.parent / 'browser'}",
               "--window-size=1300,1000", *options, place.as_uri()]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_pages_fit_the_screen_and_nothing_overlaps(pages, tmp_path):
    frames = [(page, f"width: {width}px; height: 900px; border: 0") for page in pages.values() for width in WIDTHS]
    answer = re.search(r"<pre>(.*?)</pre>", browse(tmp_path / "frames.html", frames, "--dump-dom", script=MEASURE))
    found = json.loads(html.unescape(answer[1]))
    parts = [[one.pop(name) for name in ("sections", "drawings", "images")] for one in found]
    assert parts == [[4, 3, 5], [4, 3, 5], [8, 10, 10], [8, 10, 10]]
    assert found == [{"spill": 0, "wide": [], "overlaps": 0, "flat": 0, "cut": [], "small": []}] * 4


def test_text_is_seen_on_light_and_dark_screens(pages, tmp_path):
    from PIL import Image

    styles = ("color-scheme: light", "color-scheme: dark; background: #111")
    frames = [(pages["image"], f"width: 600px; height: 900px; border: 0; {style}") for style in styles]
    browse(tmp_path / "frames.html", frames, f"--screenshot={tmp_path / 'shot.png'}")
    screen = Image.open(tmp_path / "shot.png").convert("L")
    for dark, left in ((False, 0), (True, 650)):
        shades = screen.crop((left, 0, left + 550, 400)).histogram()
        light_ones, dark_ones = sum(shades[200:]), sum(shades[:60])
        assert (dark_ones > light_ones) == dark
        assert min(light_ones, dark_ones) > 1000, "title and facts are written in the other shade"
