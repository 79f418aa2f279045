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
from itertools import accumulate
from typing import Any

import jinja2
from markupsafe import Markup, escape

from .contract import CLASSES, MEANING, Change, Class, Diff, Size
from .shipped import templates

__all__ = ["page"]

AREAS = 5
"""How many areas are in sight in the table of tokens; the others are folded."""

CONTEXT = 3
"""How many lines that did not change stand around those that did."""

VALUES, ENTRIES = 600_000, 700_000
"""How many characters of values and of entries a page holds in all; so 500 changes stay below 3 MB."""

LINE = 2_000
"""How many characters of a name or a reason are shown."""

STEPS = 6_000_000
"""How many steps of comparing a page takes in all, some seconds at worst; the rest is shown as replaced."""

NOTHING = Markup('<span class="nothing">nothing</span>')


def page(diffs: Sequence[Diff]) -> str:
    """Return one HTML page about what changed in these servers; the same bytes for the same input.

    It holds any number of changes. Values and entries that are too long for all to fit are cut, and the page says so.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates() / "report"),
        autoescape=True,
        finalize=lambda v: plain(v) if isinstance(v, str) and not isinstance(v, Markup) else v,  # nothing is forgotten
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["seen"] = lambda text: _shortened(text, LINE)
    style, script = (_ours(f"diff.{kind}") for kind in ("css", "js"))
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )
    template = environment.get_template("diff.html.j2")
    return template.render(style=style, script=script, policy=policy, nothing=NOTHING, page=_Writer(diffs).whole())


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
    """Return text for where no markup can be, as `seen` does; it is cut where no name is that long."""
    return _written_out(text if len(text) <= LINE else f"{text[:LINE]}…", "\\u{{{:04x}}}")


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


def _weeded(
    shared: Sequence[tuple[int, int, int]], old: Sequence[str], new: Sequence[str], weight: Callable[[str], int]
) -> list[tuple[int, int, int]]:
    """Return the stretches without those that weigh no more than what differs on either side: chance, not sense."""

    weights = [list(accumulate(map(weight, side), initial=0)) for side in (old, new)]

    def between(i: int, until: int, j: int, other: int) -> int:
        return max(weights[0][until] - weights[0][i], weights[1][other] - weights[1][j])

    kept: list[tuple[int, int, int]] = []
    i = j = 0
    for at, (start, other, length) in enumerate(shared):
        after = shared[at + 1] if at + 1 < len(shared) else (len(old), len(new), 0)
        least = min(between(i, start, j, other), between(start + length, after[0], other + length, after[1]))
        if not least or weights[0][start + length] - weights[0][start] > least:
            kept.append((start, other, length))
            i, j = start + length, other + length
    return kept


def _letters(line: str) -> int:
    """Return what a line of JSON weighs among others: nothing if it only closes or opens, else more than any gap."""
    return 1 << 40 if any(map(str.isalnum, line)) else 0


_TOKEN = re.compile(r"\s+|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|\w+|[^\w\s]")
"""A word, a space, a sign; scripts without spaces by the character."""

_KEY = re.compile(r'\s*"(?:[^"\\]|\\.)*"')
"""What a line of JSON begins with: the key, or a value of a list."""


# -- what stands on the page ------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """A line on each side; or lines that are the same on both, folded under `label`."""

    old: str = ""
    new: str = ""
    gone: bool = False
    come: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class _Shown:
    id: str
    change: Change
    old: Markup
    new: Markup
    short: bool
    """Both sides fit on one line."""
    others: str
    """How many other tools changed in the same way, in words."""

    @property
    def sided(self) -> bool:
        return bool(self.old or self.new)


@dataclass(frozen=True, slots=True)
class _Tool:
    """The changes of one tool, or of the server as a whole, and its entries."""

    id: str
    label: str
    whole: bool
    """It is the server, not one of its tools."""
    title: str
    gravest: Class
    notes: tuple[str, ...]
    """Words about it: new or removed, its area, operation and cost."""
    changes: tuple[_Shown, ...]
    rows: tuple[_Row, ...]
    alone: Markup
    """The entry of a tool that is on one side only."""
    same: bool


@dataclass(frozen=True, slots=True)
class _Area:
    """What the tools of an area cost, in tokens, and as widths of a bar in percent of the costliest area."""

    name: str
    old: int
    new: int
    was: str
    now: str

    @property
    def delta(self) -> str:
        return _delta(self.old, self.new)


@dataclass(frozen=True, slots=True)
class _Report:
    """One server."""

    id: str
    name: str
    summary: str
    against: str
    limits: tuple[str, ...]
    level: int
    """Of the headings of its sections."""
    old: int
    new: int
    tables: tuple[tuple[str, tuple[_Area, ...]], ...]
    """Areas, and what the fold that they are in is called; nothing for those in sight."""
    tools: tuple[_Tool, ...]

    @property
    def delta(self) -> str:
        return _delta(self.old, self.new)


@dataclass(frozen=True, slots=True)
class _Whole:
    heading: str
    summary: str
    against: str
    count: str
    several: bool
    kinds: tuple[tuple[Class, int, str], ...]
    areas: tuple[tuple[str, int], ...]
    reports: tuple[_Report, ...]

    @property
    def changed(self) -> bool:
        return any(r.tools for r in self.reports)


class _Writer:
    """Makes of differences what the page shows of them, and keeps within what a page may hold and take."""

    def __init__(self, diffs: Sequence[Diff]) -> None:
        self._diffs = diffs
        self._steps = STEPS
        self._anchors: Counter[str] = Counter()
        self._times = Counter(key for d in diffs for key, _ in {(_alike(d, c), c.tool) for c in d.changes})
        values = (_json([v]) for d in diffs for c in d.changes for v in (c.old, c.new) if v is not None)
        entries = (_json([dict(e) for e in pair if e]) for d in diffs for pair in d.schemas.values())
        self._room = _fair(map(len, values), VALUES)
        self._share = _fair(map(len, entries), ENTRIES)

    def whole(self) -> _Whole:
        """Return all that the page shows."""
        found = [c for d in self._diffs for c in d.changes]
        counts = Counter(c.kind for c in found)
        areas = Counter(c.area for c in found if c.area)
        several = len(self._diffs) != 1
        return _Whole(
            heading=f"What changed in {_number(len(self._diffs), 'server') if several else _title(self._diffs[0])}",
            summary=_summary(self._diffs),
            against="" if several else self._diffs[0].against,
            count=_number(len(found), "change"),
            several=several,
            kinds=tuple((kind, counts[kind], MEANING[kind].capitalize() + ".") for kind in CLASSES),
            areas=tuple(sorted(areas.items())) if len(areas) > 1 else (),
            reports=tuple(self._report(d, several) for d in self._diffs),
        )

    def _report(self, diff: Diff, several: bool) -> _Report:
        areas = _areas(diff.sizes)
        old, new = diff.tokens
        return _Report(
            id=self._anchor("server", diff.name),
            name=_title(diff),
            summary=_summary([diff]),
            against=diff.against if several else "",
            limits=diff.limits,
            level=3 if several else 2,
            old=old,
            new=new,
            tables=tuple(_tables(areas)),
            tools=tuple(self._tools(diff)),
        )

    def _tools(self, diff: Diff) -> Iterator[_Tool]:
        """Yield what changed by tool: the gravest first, then by name; the server as a whole before its tools."""
        by_tool: defaultdict[str, list[Change]] = defaultdict(list)
        for change in diff.changes:
            by_tool[change.tool].append(change)
        for changes in by_tool.values():
            changes.sort(key=lambda c: (CLASSES.index(c.kind), c.place, c.what, c.reason))
        sizes = {s.tool: s for s in diff.sizes}
        for name, changes in sorted(by_tool.items(), key=lambda g: (CLASSES.index(g[1][0].kind), g[0])):
            old, new = diff.schemas.get(name, (None, None))
            entry = new or old or {}
            alone = entry if name and not (old and new) else {}
            yield _Tool(
                id=self._anchor("tool", diff.name, name),
                label=name or "The server as a whole",
                whole=not name,
                title=str(entry.get("title") or ""),
                gravest=changes[0].kind,
                notes=tuple(_notes(changes[0], sizes.get(name), old, new)),
                changes=tuple(self._shown(diff, c) for c in changes),
                rows=self._compared(old, new) if old and new and old != new else (),
                alone=_placed([(False, _json(dict(alone), 2))], "", self._share) if alone else Markup(),
                same=bool(old) and old == new,
            )

    def _shown(self, diff: Diff, change: Change) -> _Shown:
        worded = change.kind == "wording" and all(v is None or isinstance(v, str) for v in (change.old, change.new))
        sides = [v if v is None or worded else _json(v) for v in (change.old, change.new)]
        if not worded and max((len(v) for v in sides if v), default=0) > 72:
            sides = [None if v is None else _json(v, 2) for v in (change.old, change.new)]
        old, new = sides
        one: Pieces = [(False, old or "")]
        other: Pieces = [(False, new or "")]
        if old is not None and new is not None:
            one, other = self._marked(old, new)
        more = self._times[_alike(diff, change)] - 1
        return _Shown(
            id=self._anchor("change", diff.name, change.tool, change.kind, change.what, change.place),
            change=change,
            old=_placed(one, "del", self._room),
            new=_placed(other, "ins", self._room),
            short=not worded and all(len(v) <= 40 for v in sides if v),
            others=f"The same in {_number(more, 'other tool')}." if more else "",
        )

    def _marked(self, old: str, new: str) -> tuple[Pieces, Pieces]:
        """Return two texts in pieces, word by word."""
        a, b = _TOKEN.findall(old), _TOKEN.findall(new)
        shared = _weeded(self._shared(a, b), a, b, lambda word: len(word.strip()))
        one: list[tuple[bool, str]] = []
        other: list[tuple[bool, str]] = []
        i = j = 0
        for start, also, length in (*shared, (len(a), len(b), 0)):
            same = "".join(a[start : start + length])
            one += (True, "".join(a[i:start])), (False, same)
            other += (True, "".join(b[j:also])), (False, same)
            i, j = start + length, also + length
        return [p for p in one if p[1]], [p for p in other if p[1]]

    def _shared(self, old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int]]:
        found, taken = _shared(old, new, min(self._steps, 300_000))
        self._steps = max(self._steps - taken, 0)
        return found

    def _compared(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[_Row, ...]:
        return tuple(_fitting(self._rows(_json(dict(old), 2), _json(dict(new), 2)), self._share))

    def _rows(self, old: str, new: str) -> Iterator[_Row]:
        """Yield two entries line by line, aligned, with what did not change folded."""
        a, b = old.split("\n"), new.split("\n")
        i = j = 0
        bare = ([line.removesuffix(",") for line in lines] for lines in (a, b))
        for start, also, length in (*_weeded(self._shared(*bare), a, b, _letters), (len(a), len(b), 0)):
            yield from self._changed(a[i:start], b[j:also])
            last = start + length == len(a)
            yield from self._unchanged(a[start : start + length], 0 if not start else CONTEXT, 0 if last else CONTEXT)
            i, j = start + length, also + length

    def _changed(self, old: Sequence[str], new: Sequence[str]) -> Iterator[_Row]:
        """Yield lines that differ: beside each other where they are of the same key."""
        one, other = ([m[0] if (m := _KEY.match(line)) else line for line in lines] for lines in (old, new))
        i = j = 0
        for start, also, length in (*self._shared(one, other), (len(old), len(new), 0)):
            yield from (_Row(old=self._line([(False, line)], "del"), gone=True) for line in old[i:start])
            yield from (_Row(new=self._line([(False, line)], "ins"), come=True) for line in new[j:also])
            for was, is_ in zip(old[start : start + length], new[also : also + length], strict=True):
                before, now = self._marked(was, is_)
                yield _Row(self._line(before, "del"), self._line(now, "ins"), gone=True, come=True)
            i, j = start + length, also + length

    def _unchanged(self, lines: Sequence[str], first: int, last: int) -> Iterator[_Row]:
        """Yield lines that both sides have: those next to a change as they are, the others under one label."""
        folded = lines[first : len(lines) - last]
        if len(folded) < 3:
            first, last, folded = len(lines), 0, ()
        yield from self._same(lines[:first])
        if folded:
            yield _Row(seen("\n".join(folded)), label=f"{_number(len(folded), 'line')} as before")
        yield from self._same(lines[len(lines) - last :])

    def _same(self, lines: Sequence[str]) -> Iterator[_Row]:
        for line in lines:
            text = self._line([(False, line)], "")
            yield _Row(text, text)

    def _line(self, pieces: Pieces, tag: str) -> Markup:
        return _placed(pieces, tag, self._share // 2)

    def _anchor(self, *key: str) -> str:
        """Return the id of an element: readable, and the same wherever and whenever the page is made."""
        readable = re.sub(r"[^a-z0-9]+", "-", " ".join(key[1:]).lower()).strip("-")[:48]
        base = f"{readable}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:8]}".lstrip("-")
        self._anchors[base] += 1
        return base if self._anchors[base] == 1 else f"{base}-{self._anchors[base]}"


def _fitting(rows: Iterable[_Row], room: int) -> Iterator[_Row]:
    """Yield the rows that fit into so many characters, then, if it was not all, a row that says so.

    What is folded may only take a quarter of what is left each time, so that it never crowds out a change.
    """
    for row in rows:
        if row.label and len(row.old) > room // 4:
            row = _Row(label=f"{row.label}, left out here")
        room -= len(row.old) + len(row.new)
        if room < 0:
            yield _Row(label="The rest is too long to be shown here.")
            return
        yield row


def _placed(pieces: Pieces, tag: str, room: int) -> Markup:
    """Return a text as markup, with what is on this side only in `tag`; what exceeds `room` characters is left out."""
    long = sum(len(text) for _, text in pieces) > room
    most = room if len(pieces) == 1 else room // 5
    found: list[Markup] = []
    for own, text in pieces:
        if room <= 0:
            found.append(Markup("<small>… the rest is left out</small>"))
            break
        shown = _shortened(text, room if own else most) if long else seen(text)
        found.append(Markup(f"<{tag}>{{}}</{tag}>").format(shown) if own else shown)  # noqa: S704 - a tag of ours
        room -= min(len(text), room if own else most)
    return Markup().join(found)


def _shortened(text: str, most: int) -> Markup:
    """Return the beginning and the end of a text that is longer, and how much is left out between them."""
    if len(text) <= most:
        return seen(text)
    half = most // 2
    gap = Markup("<small>… {:,} characters left out …</small>").format(len(text) - 2 * half)
    return seen(text[:half]) + gap + seen(text[len(text) - half :])


def _json(value: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent)
    except RecursionError:
        return "nested too deep to be shown"


def _fair(lengths: Iterable[int], total: int) -> int:
    """Return how much of each is shown so that all fits: what the short ones do not need goes to the long ones."""
    waiting = sorted(lengths)
    for number, length in enumerate(waiting):
        share = total // (len(waiting) - number)
        if length > share:
            return share
        total -= length
    return total


def _alike(diff: Diff, change: Change) -> str:
    """Return what is equal of changes that are one, as of a component that several tools use."""
    last = change.place.rpartition(".")[2]
    return _json([diff.name, change.kind, change.what, last, change.reason, change.old, change.new])


def _title(diff: Diff) -> str:
    return diff.title or diff.name


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _delta(old: int, new: int) -> str:
    """Return a change of tokens in words, with a true minus sign."""
    return f"{new - old:+,}".replace("-", "\u2212") if new != old else "no change"


def _notes(
    change: Change, size: Size | None, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[str]:
    if bool(old) != bool(new):
        yield "new" if new else "removed"
    elif old and new and old.get("name") != new.get("name"):
        yield f"was {old.get('name')}"
    if change.area:
        yield change.area
    if change.operation:
        yield change.operation
    if size and size.old is not None and size.new is not None and size.old != size.new:
        yield f"{size.old:,} → {size.new:,} tokens ({_delta(size.old, size.new)})"
    elif size:
        yield _number(size.new or size.old or 0, "token")


def _areas(sizes: Sequence[Size]) -> tuple[_Area, ...]:
    """Return what each area costs: what changed most first, then what costs most."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for size in sizes:
        sums[size.area][0] += size.old or 0
        sums[size.area][1] += size.new or 0
    most = max((max(pair) for pair in sums.values()), default=0) or 1
    areas = (
        _Area(name or "no area", old, new, f"{100 * old / most:.2f}", f"{100 * new / most:.2f}")
        for name, (old, new) in sums.items()
    )
    return tuple(sorted(areas, key=lambda a: (-abs(a.new - a.old), -a.new, a.name)))


def _tables(areas: tuple[_Area, ...]) -> Iterator[tuple[str, tuple[_Area, ...]]]:
    first = AREAS if len(areas) > AREAS + 1 else len(areas)
    if areas:
        yield "", areas[:first]
    if rest := areas[first:]:
        changed = sum(a.old != a.new for a in rest)
        yield f"{_number(len(rest), 'more area')}, {changed or 'none'} changed", rest


def _summary(diffs: Sequence[Diff]) -> str:
    """Return in one or two sentences how bad it is: the grave changes by class, then how many others there are."""
    tools = sum(len(d.sizes) for d in diffs)
    found = [(d.name, c) for d in diffs for c in d.changes]
    if not found:
        return f"Nothing changed in {_number(tools, 'tool')}." if diffs else "No server was compared."
    words: dict[Class, str] = {"danger": "dangerous", "breaking": "breaking", "undecided": "undecided"}
    grave = [(n, c) for n, c in found if c.kind in words]
    others = _number(sum(c.kind not in (*words, "cost") for _, c in found), "other change")
    touched = {(n, c.tool) for n, c in grave or found}
    inside = sum(bool(tool) for _, tool in touched)
    where = [f"{inside:,} of {_number(tools, 'tool')}"] if inside else []
    if inside < len(touched):
        where.append("the server as a whole" if len(diffs) == 1 else "servers as a whole")
    place = f"in {' and in '.join(where)}"
    if not grave:
        return f"Nothing dangerous and nothing breaking: {others} {place}."
    counts = Counter(c.kind for _, c in grave)
    named = [f"{counts[kind]:,} {word}" for kind, word in words.items() if counts[kind]]
    told = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
    return f"{told} {'change' if len(grave) == 1 else 'changes'} {place}, and {others}."
