"""Turns what changed between two versions of a server into text for a terminal, Markdown for a comment, and JSON.

What stands in a document is text there: it cannot move the cursor, become markup, notify anybody or close a fold. The
page of HTML is made in `page`.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

from .contract import CLASSES, MEANING, Change, Class, Diff
from .markdown import code, markdown

__all__ = ["MARK", "as_json", "as_markdown", "as_text", "summary"]

MARK = "<!-- mcpgen diff -->"
"""The first line of the Markdown, by which a comment is found again."""
_LARGEST_COMMENT = 60_000
"""GitHub refuses a comment of more than 65,536 characters."""
_WORDS: dict[Class, str] = {
    "danger": "dangerous",
    "breaking": "breaking",
    "undecided": "undecided",
    "output": "output",
    "additive": "additive",
    "wording": "wording",
    "cost": "cost",
}


@dataclass(frozen=True, slots=True)
class _Group:
    """Changes that are told once: the same thing in several tools, as when they share a component."""

    first: Change
    tools: tuple[str, ...]
    places: tuple[str, ...]
    count: int


def _groups(diff: Diff, kind: Class) -> list[_Group]:
    found: dict[tuple[str, ...], list[Change]] = {}
    for change in diff.changes:
        if change.kind == kind:
            last = change.place.rpartition(".")[2]
            values = json.dumps([change.old, change.new], sort_keys=True, default=str)
            alone = change.what.startswith("tool-") or not change.tool or kind == "cost"
            found.setdefault((change.tool * alone, change.what, last, change.reason, values), []).append(change)
    return [
        _Group(
            changes[0],
            tuple(dict.fromkeys(c.tool for c in changes)),
            tuple(dict.fromkeys(c.place for c in changes)),
            len(changes),
        )
        for changes in found.values()
    ]


def summary(diff: Diff) -> str:
    """Return one sentence: 2 dangerous, 3 breaking changes in 5 of 64 tools; tools/list 17,085 → 17,200 tokens."""
    told = [f"{number} {_WORDS[kind]}" for kind, number in diff.counts.items() if kind != "cost"]
    old, new = diff.tokens
    cost = f"tools/list {old:,} → {new:,} tokens ({new - old:+,})" if old != new else f"tools/list {new:,} tokens"
    if not told:
        return f"no tool changed; {cost}"
    changed = len({c.tool for c in diff.changes if c.tool and c.kind != "cost"})
    one = sum(n for k, n in diff.counts.items() if k != "cost") == 1
    where = f" in {changed} of {len(diff.sizes)} tools" if changed else ""
    return f"{', '.join(told)} change{'' if one else 's'}{where}; {cost}"


# -- text ------------------------------


def as_text(diffs: Sequence[Diff], style: Callable[[str, str], str], width: int = 100) -> Iterator[str]:
    """Yield the lines for a terminal; `style` gives a text the look of its role: a class, "title", "faint"."""
    for number, diff in enumerate(diffs):
        if number:
            yield ""
        against = f"  (against {diff.against})" if diff.against else ""
        yield f"{style(diff.name, 'title')}: {summary(diff)}{style(against, 'faint')}"
        for limit in diff.limits:
            yield f"  note: {limit}"
        for kind in CLASSES:
            if groups := _groups(diff, kind):
                yield ""
                yield style(f"{kind} ({diff.counts[kind]}): {MEANING[kind]}", kind)
                for group in groups:
                    yield from _told(group, style, width)


def _named(group: _Group, most: int = 4) -> str:
    names = [t or "the server" for t in group.tools]
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"


def _placed(group: _Group) -> str:
    """Return the place, of several what they end with."""
    steps = [p.removeprefix("arguments.").split(".") for p in group.places]
    if len(steps) == 1:
        return ".".join(steps[0])
    common = list(takewhile(lambda ends: len(set(ends)) == 1, zip(*(reversed(s) for s in steps), strict=False)))
    return "…" + ".".join(ends[0] for ends in reversed(common))


def _told(group: _Group, style: Callable[[str, str], str], width: int) -> Iterator[str]:
    first = group.first
    place = f" {_line(_placed(group))}" if first.place and first.kind != "cost" else ""
    yield f"  {style(_line(_named(group)), 'title')}{place}: {_line(first.reason)}"
    if first.kind == "wording" or first.what in _SHOWN:
        for sign, value in (("-", first.old), ("+", first.new)):
            if value is not None:
                lines = textwrap.wrap(_line(_value(value)), width - 6, max_lines=6, placeholder=" …") or [""]
                yield from (f"    {sign} {line}" for line in lines)  # a line that begins with :: commands a CI runner


_SHOWN = ("place-changed", "request-changed", "default-changed", "result-changed", "credential-changed")
"""What a reason says too little of without its values."""


def _line(text: str) -> str:
    """Return text of a document as one line that moves no cursor."""
    flat = " ".join(text.split())
    return flat if flat.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in flat)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -- Markdown ------------------------------


def as_markdown(diffs: Sequence[Diff], limit: int = _LARGEST_COMMENT) -> str:
    """Return GitHub Flavored Markdown for a pull request: what matters first, the rest folded, at most `limit` long."""
    shown = [d for d in diffs if d.changes or d.limits]
    lines = [MARK, _headline(diffs), ""]
    size = _length(lines)
    for at, diff in enumerate(shown):
        head = list(_head(diff))
        if size + _length(head) > limit // 2:  # the other half is for what has changed
            lines += [f"And {len(shown) - at} more servers.", ""]
            break
        lines += head
        size += _length(head)
    same = [d.name for d in diffs if d not in shown]
    if same and shown:
        more = f" and {len(same) - 20} more" if len(same) > 20 else ""
        lines += [f"No change in {', '.join(f'`{code(n)}`' for n in same[:20])}{more}.", ""]
    size = _length(lines)
    left = 0
    for kind in CLASSES:
        for diff in shown:
            block, size, cut = _block(diff, kind, len(shown) > 1, size, limit - 400)
            lines += block
            left += cut
    if left:
        lines += [f"**{left} more** do not fit into a comment: `mcpgen diff --format html` shows all of them.", ""]
    return "\n".join(lines)


def _length(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _head(diff: Diff) -> Iterator[str]:
    yield from (f"### {_text(_cut(diff.title, 200))} (`{code(_cut(diff.name, 200))}`)", "")
    yield from (_text(_sentence(diff)), "")
    yield from (f"> {_text(said)}\n" for said in diff.limits)
    yield from ("| class | changes | what that means |", "|---|---:|---|")
    yield from (f"| {_WORDS[k]} | {n} | {MEANING[k]} |" for k, n in diff.counts.items())
    yield ""


def _headline(diffs: Sequence[Diff]) -> str:
    gravest = [k for k in CLASSES if k != "cost" and any(k in d.counts for d in diffs)]
    if not gravest:
        return "## The tools have not changed"
    count = sum(d.counts.get(gravest[0], 0) for d in diffs)
    what = {"output": "changes of output", "wording": "changes of wording"}.get(
        gravest[0], f"{_WORDS[gravest[0]]} changes"
    )
    return f"## {count} {what if count != 1 else what.replace('changes', 'change')} in the tools"


def _sentence(diff: Diff) -> str:
    return summary(diff) + (f", against {diff.against}" if diff.against else "") + "."


def _block(diff: Diff, kind: Class, named: bool, size: int, limit: int) -> tuple[list[str], int, int]:
    """Return the lines of a class, the size with them, and how many changes had no room."""
    groups = _groups(diff, kind)
    if not groups:
        return [], size, 0
    whose = f" of <code>{_text(diff.name)}</code>" if named else ""
    opened = " open" if kind in ("danger", "breaking", "undecided") else ""
    opening = [f"<details{opened}><summary><b>{kind}</b>{whose}: {diff.counts[kind]}</summary>", ""]
    size += _length(opening) + 20
    lines: list[str] = []
    for at, group in enumerate(groups):
        told = list(_item(group))
        if size + _length(told) > limit:
            cut = sum(g.count for g in groups[at:])
            break
        lines += told
        size += _length(told)
    else:
        cut = 0
    if not lines:
        return [], size - _length(opening) - 20, cut
    return [*opening, *lines, "", "</details>", ""], size, cut


def _item(group: _Group) -> Iterator[str]:
    first = group.first
    tools = ", ".join(f"`{code(t)}`" if t else "the server" for t in group.tools[:6])
    more = f" and {len(group.tools) - 6} more" if len(group.tools) > 6 else ""
    place = f" at `{code(_placed(group))}`" if first.place and first.kind != "cost" else ""
    yield f"- **{tools}**{more}{place}: {_text(_cut(first.reason, 1500))}"
    if first.kind == "wording" or first.what in _SHOWN:
        yield ""
        yield "  | before | now |"
        yield "  |---|---|"
        yield f"  | {_cell(first.old)} | {_cell(first.new)} |"
        yield ""


def _cell(value: Any) -> str:
    if value is None:
        return "*nothing*"
    text = _value(value)
    return _text(_cut(text, 1500)) or "*empty*"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _text(text: str) -> str:
    """Return text of a document as one line of Markdown that is only text, and that notifies nobody."""
    return markdown(text).replace("@", "&#64;")


# -- JSON ------------------------------


def as_json(diffs: Sequence[Diff]) -> str:
    """Return all of it for programs: `{"version": 1, "servers": [{name, counts, tokens, changes, sizes, …}]}`."""
    servers = [
        {
            "name": d.name,
            "title": d.title,
            "against": d.against,
            "counts": d.counts,
            "tokens": {"old": d.tokens[0], "new": d.tokens[1]},
            "limits": d.limits,
            "changes": [{"class": c.kind, **{k: v for k, v in asdict(c).items() if k != "kind"}} for c in d.changes],
            "tools": [asdict(s) for s in d.sizes],
        }
        for d in diffs
    ]
    return json.dumps({"version": 1, "servers": servers}, ensure_ascii=False, indent=1) + "\n"
