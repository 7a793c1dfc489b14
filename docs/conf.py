"""Sphinx configuration; the stage and command pages are generated from the hook specs before every build."""

import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402

generate.write_all(HERE)

project = "jwcal"
author = "the jwcal developers"
release = metadata.version("jwcal")
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"jwcal {release}"
exclude_patterns = ["_build", "generate.py"]
suppress_warnings = ["myst.strikethrough"]
