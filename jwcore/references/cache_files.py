"""Small JSON files in the user's cache folder, safe to share between processes and to delete at any time."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs

__all__ = ["cache_folder", "load", "save"]


def cache_folder() -> Path:
    """Return the folder in which indices and resolutions are kept between runs."""
    return platformdirs.user_cache_path("jwcal") / "references"


def load(path: Path) -> dict[str, Any]:
    """Return the content of a cache file; a missing or damaged one is empty."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a cache file in one move; a cache that cannot be written is no reason to stop."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content))
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
