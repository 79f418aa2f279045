"""Turns what changed in servers into one HTML page, because a reviewer wants to look, filter and compare side by side.

The page is whole: no script, style, image or font comes from elsewhere, and its content security policy lets nothing
run but the one script that is in it. All text of a document passes through `seen` or, in attributes, through `plain`:
it stays text, and what cannot be seen is written out.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup, escape

from .contract import CLASSES, Change, Class, Diff, Size
from .render import templates

__all__ = ["page"]

MEANING: Mapping[Class, str] = {
    "danger": "A model may do what it could not do before, or do it where nobody asked for it.",
    "breaking": "A call that worked may be refused, or do something else.",
    "undecided": "The two are not the same, and which calls that touches cannot be told.",
    "output": "What comes back has another shape.",
    "additive": "More is possible, and nothing less.",
    "wording": "The same calls, told in other words, which steer a model all the same.",
    "cost": "The size of the entry in tools/list.",
}

AREAS = 8
"""How many areas are in sight in the table of tokens; the others are folded."""

CONTEXT = 3
"""How many lines that did not change stand around those that did."""

VALUES, ENTRIES = 400_000, 900_000
"""How many characters of old and of new values, and of entries, a page holds in all: it stays below 3 MB."""

STEPS = 6_000_000
"""How many steps of comparing a page takes in all, some seconds at worst; the rest is shown as replaced."""


def page(diffs: Sequence[Diff]) -> str:
    """Return one HTML page about what changed in these servers; the same bytes for the same input.

    It holds any number of changes. Values and entries that are too long for all to fit are cut, and the page says so.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates() / "report"),
        autoescape=True,
        finalize=lambda v: plain(v) if isinstance(v, str) and not isinstance(v, Markup) else v,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["seen"] = seen
    style, script = (_ours(f"diff.{kind}") for kind in ("css", "js"))
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )
    template = environment.get_template("diff.html.j2")
    return template.render(style=style, script=script, policy=policy, page=_Writer(diffs).whole())


def _ours(name: str) -> Markup:
    return Markup((templates() / "report" / name).read_text(encoding="utf-8"))  # noqa: S704 - a file of mcpgen


def _digest(text: str) -> str:
    """Return the source expression by which an inline style or script with that text is allowed (CSP 3, 2.3.1)."""
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()


# -- text that stays text ------------------------------

_FILLER = re.compile("[\xad\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
"""What prints as nothing though Python calls it printable: fillers, and selectors, which can carry a message."""


def seen(text: str) -> Markup:
    """Return text as markup that is only text, and in which each character can be seen: U+202E for one that is not."""
    return Markup(_written_out(str(escape(text)), "<i>U+{:04X}</i>"))  # noqa: S704 - it is escaped


def plain(text: str) -> str:
    """Return text for where no markup can be, as `seen` does."""
    return _written_out(text, "\\u{{{:04x}}}")


def _written_out(text: str, form: str) -> str:
    def character(found: re.Match[str]) -> str:
        c, at = found[0], found.start()
        emoji = c == "\ufe0f" and "\u203c" <= text[max(at - 1, 0)] < "\ufe00"  # it colours the sign before it
        return c if c.isprintable() and (emoji or not _FILLER.match(c)) else form.format(ord(c))

    return re.sub(r"[^\x20-\x7e\n\t]", character, text)


# -- what two texts share ------------------------------

Pieces = Sequence[tuple[bool, str]]
"""A text in pieces, each with whether it is on this side only."""


def _shared(old: Sequence[str], new: Sequence[str], steps: int) -> tuple[list[tuple[int, int, int]], int]:
    """Return the stretches that both have, as start in one, start in the other and length, and how many steps it took.

    The fewest insertions and deletions (Myers, An O(ND) Difference Algorithm, 1986); where these are not found in so
    many steps, only what both begin and end with.
    """
    limit = min(len(old), len(new))
    head = next((i for i in range(limit) if old[i] != new[i]), limit)
    tail = next((i for i in range(limit - head) if old[-1 - i] != new[-1 - i]), limit - head)
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    ends = [(0, 0, head)], [(len(old) - tail, len(new) - tail, tail)]
    reach, trail, taken = {1: 0}, [], 0
    for edits in range(len(a) + len(b) + 1):
        trail.append(dict(reach))
        for k in range(-edits, edits + 1, 2):
            x = reach[k + 1] if _down(reach, k, edits) else reach[k - 1] + 1
            start = x
            while x < len(a) and x - k < len(b) and a[x] == b[x - k]:
                x += 1
            reach[k] = x
            taken += 2 + x - start
            if x >= len(a) and x - k >= len(b):
                between = [(i + head, j + head, n) for i, j, n in _backwards(trail, len(a), len(b))]
                return [s for s in (*ends[0], *between, *ends[1]) if s[2]], taken
        if taken > steps:
            break
    return [s for s in (*ends[0], *ends[1]) if s[2]], taken


def _down(reach: Mapping[int, int], k: int, edits: int) -> bool:
    """Tell whether diagonal `k` is best entered by an insertion."""
    return k == -edits or (k != edits and reach[k - 1] < reach[k + 1])


def _backwards(trail: Sequence[Mapping[int, int]], x: int, y: int) -> list[tuple[int, int, int]]:
    found = []
    for edits in range(len(trail) - 1, -1, -1):
        reach, k = trail[edits], x - y
        down = _down(reach, k, edits)
        before = reach[k + 1] if down else reach[k - 1]
        start = before if down else before + 1
        if x > start:
            found.append((start, start - k, x - start))
        x, y = before, before - (k + 1 if down else k - 1)
    return found[::-1]


def _gaps(shared: Iterable[tuple[int, int, int]], old: int, new: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield where the two differ: from and to in one, from and to in the other."""
    i = j = 0
    for start, other, length in (*shared, (old, new, 0)):
        if start > i or other > j:
            yield i, start, j, other
        i, j = start + length, other + length
