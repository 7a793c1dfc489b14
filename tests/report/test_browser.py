"""How a page looks in a real browser: nothing is wider than the screen, nothing overlaps, no text is cut off."""

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
const all = (what, from = document) => [...from.querySelectorAll(what)];
const common = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
const overlap = (a, b) => common(a, b, 0, 2) > 1 && common(a, b, 1, 3) > 1;
const overlaps = boxes => boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => overlap(a, b))).length;
const outside = (a, b) => a[0] < b[0] - 2 || a[1] < b[1] - 2 || a[2] > b[2] + 2 || a[3] > b[3] + 2;
const measure = width => {
  document.documentElement.style.width = width + "px";
  return {
    spill: Math.max(0, document.body.scrollWidth - document.body.clientWidth),
    sections: all("header, section").length,
    drawings: all("figure svg").length,
    images: all("svg image").filter(one => one.getBoundingClientRect().width > 20).length,
    wide: all("body *").filter(one => !one.closest(".wide *, pre *, svg *") && box(one)[2] > width + 1)
      .map(one => one.outerHTML.slice(0, 80)),
    overlaps: overlaps(all("header, section").map(box))
      + all(".panels, dl, header, section").map(one => overlaps([...one.children].map(box))).reduce((a, b) => a + b),
    flat: all("section, figure svg").filter(one => one.getBoundingClientRect().height < 20).length,
    cut: all("figure svg").flatMap(svg => all("text", svg).filter(one => outside(box(one), box(svg)))
      .map(one => one.textContent)),
  };
};
addEventListener("load", () => {
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify(WIDTHS.map(measure));
  document.body.append(out);
});
</script>""".replace("WIDTHS", str([*WIDTHS]))

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome here")


def browse(page, width, *options):
    """Run the browser on a page without a window."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'browser'}",
               f"--window-size={width},1000", *options, page.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.mark.parametrize(("name", "sections", "drawings", "images"), [("image", 4, 3, 5), ("mosaic", 8, 10, 10)])
def test_a_page_fits_the_screen_and_nothing_overlaps(pages, name, sections, drawings, images):
    page = pages[name].with_name(f"measured_{name}.html")
    page.write_text(pages[name].read_text().replace("</body>", f"{MEASURE}</body>"))
    answer = re.search(r'<pre id="found">(.*?)</pre>', browse(page, max(WIDTHS), "--dump-dom"))
    for found in json.loads(html.unescape(answer[1])):
        assert (found.pop("sections"), found.pop("drawings"), found.pop("images")) == (sections, drawings, images)
        assert found == {"spill": 0, "wide": [], "overlaps": 0, "flat": 0, "cut": []}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_is_seen_on_light_and_dark_screens(pages, dark):
    from PIL import Image

    shot = pages["image"].with_name("shot.png")
    browse(pages["image"], 800, f"--screenshot={shot}", *(["--force-dark-mode"] if dark else []))
    shades = Image.open(shot).convert("L").crop((0, 0, 800, 200)).histogram()
    light, dark_ones = sum(shades[200:]), sum(shades[:60])
    assert (dark_ones > light) == dark
    assert min(light, dark_ones) > 1000, "title and facts are written in the other shade"
