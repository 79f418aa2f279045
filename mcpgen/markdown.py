"""Turns text of a document or of the configuration into Markdown that is only text: no markup, no HTML, no link."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["code", "markdown", "prose"]

_URL = re.compile(r"(https://[A-Za-z0-9._~:/?#@!$&*+,;=%-]*[A-Za-z0-9/])")
_WWW = re.compile(r"\b(www)\.", re.IGNORECASE)
_MARKUP = str.maketrans({c: "\\" + c for c in "\\`*_[]#|~!"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})


@lru_cache(maxsize=100_000)  # the words of a parameter stand wherever it is used
def markdown(text: str) -> str:
    """Return text of the document as one line of Markdown that is only text: no markup, no HTML, no link."""
    flat = " ".join(text.split())
    if not flat.isprintable():
        flat = " ".join("".join(c if c.isprintable() else " " for c in flat).split())
    escaped = _WWW.sub(r"\1&#46;", flat.translate(_MARKUP).replace("://", ":&#47;/"))
    return "\\" + escaped if escaped[:1] in ("-", "+", "=") else escaped


def prose(text: str) -> str:
    """Return text of the configuration as `markdown` does, except that its URLs are links."""
    words = (enumerate(_URL.split(word)) for word in text.split())
    return " ".join("".join(f"<{p}>" if at % 2 else markdown(p) for at, p in word) for word in words)


def code(text: str) -> str:
    """Return text of the document for between backticks."""
    shown = text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
    return shown.replace("`", "?").replace("|", "\\|") or "(empty)"
