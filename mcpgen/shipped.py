"""Finds what mcpgen brings along besides its code, without importing what makes use of it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["templates"]


def templates() -> Path:
    """Return the folder of templates: beside the package in a checkout, inside it in a wheel."""
    here = Path(__file__).parent
    for folder in (here.parent / "templates", here / "templates"):
        if (folder / "runtime").is_dir():
            return folder
    raise FileNotFoundError("mcpgen was installed without its templates")
