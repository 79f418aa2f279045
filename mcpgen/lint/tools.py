"""Turns the tools of a server, one by one and all together, into what is wrong with their number, names and words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ..annotations import looks_like_a_read
from ..config import locate
from ..names import digest, words
from ..plan import Tool, json_bytes
from ..problems import Problem
from .rules import RULES, Finding
from .server import AnyTool, Server, listed, shown, toml
from .wording import repeats, same_words, says_it_destroys

__all__ = ["CHECKS"]

_NAME_LIMIT = 64
"""What the APIs of OpenAI and Gemini take."""
_MANY_TOOLS = 40
"""Cursor takes 40 tools; models choose worse from 30 to 50 on."""
_MANY_TOKENS = 25_000
_LARGE_TOOL = 3_000
"""In tokens. In a list of 10,000 or more a tenth of it is large too, if that is at least a thousand."""
_CHANGING = frozenset(
    "accept activate add answer approve assign confirm create enable execute generate import insert invite invoke "
    "launch make publish push put reject rename restart restore save send start submit trigger upload write".split()
)
"""Verbs that the name of a GET should not have. Those that take away have made it destructive already."""
_OVERWRITING = frozenset("merge modify overwrite patch replace reset update".split())
"""Verbs that make a POST destructive without any doubt: it is a PUT by another name."""
_SUCCESSOR = re.compile(
    r"(?i)\b(?:use|using|instead|replace[ds]?|replacement|superseded?|successor|favou?r|migrate|prefer|moved|switch)\b"
)


def budgets(server: Server) -> Iterator[Finding]:
    plan, budget = server.plan, server.config.budget
    areas = sorted((-sum(server.sizes[t.name] for t in s.tools) // 4, len(s.tools), s.title) for s in plan.sections)
    lines = [f"# tokens by area: {', '.join(f'{title} {-size:,}' for size, _, title in areas[:4])}"]
    lines = lines if len(areas) > 1 else []
    room, places = budget.tokens or _MANY_TOKENS, budget.tools or _MANY_TOOLS
    fitting: list[str] = []  # the largest areas that fit together
    for size, number, title in areas:
        if title in dict(plan.tags) and -size <= room and number <= places:
            fitting.append(title)
            room, places = room + size, places - number
    lines.append(f"[include]\ntags = {toml(fitting)}" if fitting else '[include]\noperations = ["…"]')
    for rule, unit, number, most, usual in (
        ("token-budget", "tokens", server.tokens, budget.tokens, _MANY_TOKENS),
        ("tool-budget", "tools", len(plan.tools), budget.tools, _MANY_TOOLS),
    ):
        if most and number > most:
            message = f"tools/list has {number:,} {unit}, and may have {most:,}"
            at = server.config.problem(f"budget.{unit}", "")
            yield from server.finding(rule, at, message, "\n".join(lines), subject=unit)
        elif not most and number > usual:
            message = f"tools/list has {number:,} {unit}; more than {usual:,} burden most models and clients"
            accept = f"# or, if it is meant to be so:\n[budget]\n{unit} = {number + number // 10}"
            cure = "\n".join([*lines, accept])
            yield from server.finding(rule, "#/paths", message, cure, subject=unit, level="note")


def large(server: Server) -> Iterator[Finding]:
    most = _LARGE_TOOL
    if server.tokens >= 10_000:
        most = min(most, max(server.tokens // 10, 1000))
    for tool in server.plan.tools:
        size = server.sizes[tool.name] // 4
        if size > most:
            heavy = _heaviest(tool, 4 * (size - most))
            cure = server.table(tool, f"hide = {toml(heavy)}") if heavy else "[limits]\nschema_bytes = 8_000"
            message = f"{tool.name} takes {size:,} of {server.tokens:,} tokens"
            yield from server.finding("large-tool", server.at(tool), message, cure, [tool.name])


def _heaviest(tool: AnyTool, room: int) -> list[str]:
    """Return the largest arguments that may be left out, so many that they free `room` bytes, but eight at most."""
    weights = {a.key: len(json_bytes(a.schema)) for a in tool.arguments_sorted if not a.required}
    found: list[str] = []
    for key in sorted(weights, key=lambda k: (-weights[k], k))[:8]:
        if room > 0:
            found.append(key)
            room -= weights[key]
    return found


def names(server: Server) -> Iterator[Finding]:
    """Clients call a tool `mcp__<server>__<tool>` (Claude Code, Codex, VS Code)."""
    own = server.plan.name
    first = own.split("-")[0]
    room = _NAME_LIMIT - len(f"mcp__{own}__")
    more = _NAME_LIMIT - len(f"mcp__{first}__") if len(first) > 2 else room
    long = [t for t in server.plan.tools if len(t.name) > room]
    cured = [t.name for t in long if len(t.name) <= more]
    if len(cured) > 5:  # the server's name is to blame
        message = (
            f"the server's name {own} makes {len(cured)} names longer than {_NAME_LIMIT} characters, "
            f"such as mcp__{own}__{cured[0]}"
        )
        at = server.config.problem("server.name", "") if locate(server.config.text, "server.name") else "#/info"
        cure = f"[server]\nname = {toml(first)}"
        yield from server.finding("name-too-long", at, message, cure, cured, subject="server")
        long, room = [t for t in long if len(t.name) > more], more
    taken = {t.name for t in server.plan.tools}
    for tool in long:
        name = tool.name[: room + 1].rpartition("_")[0] or tool.name[:room]
        if name in taken:
            name = f"{name[: room - 7]}_{digest(tool.name)}"
        taken.add(name)
        full = f"mcp__{own}__{tool.name}"
        message = f"clients call {tool.name} {full}, which has {len(full)} characters"
        cure = server.table(tool, f"name = {toml(name)}")
        yield from server.finding("name-too-long", server.at(tool, "name"), message, cure, [tool.name])


def left_out(server: Server) -> Iterator[Finding]:
    for out in server.plan.defects:
        at = re.fullmatch(r"(.*):(\d+):(\d+)", out.place, re.DOTALL)
        file, line, column = (at[1], int(at[2]), int(at[3])) if at else (out.place, 0, 0)
        place = Problem("", out.pointer, file=file, line=line, column=column)
        lines = [f"[[fix]]\nat = {toml(out.pointer)}\n# was = …, now = …, why = …"] if out.pointer else []
        lines += [f"[exclude]\noperations = {toml([out.label])}"] if out.method else []
        message = f"{out.label} is no tool: {out.reason}"
        yield from server.finding("left-out-operation", place, message, "\n# or\n".join(lines), subject=out.label)


def effects(server: Server) -> Iterator[Finding]:
    """What is stated, by the configuration or the vendor, is believed; only what was inferred is doubted."""
    for tool in server.plan.operations:
        hints = tool.annotations
        if hints.reason.startswith(("configuration", "x-mcp-annotations", "the remote's")):
            continue
        raised = hints.reason.partition("raised: ")[2]
        takes = says_it_destroys(tool.description.removeprefix("[DEPRECATED] "))
        said, likely, level = "", "destructive = true", RULES["uncertain-annotation"].level
        if raised:
            said = f"is a {tool.method} and counts as destructive, because {raised}"
            if tool.method != "POST":
                likely = "read_only = true }  # or, as it is now, { destructive = true"
            elif raised.rpartition(" ")[2] in _OVERWRITING:
                continue
            else:
                level = "note"
        elif not hints.read_only and (word := _reading_word(tool)):
            why = f"{tool.method} counts as a write" if tool.listed is None else hints.reason
            said, likely = f"may only read (its name says {word}), but {why}", "read_only = true"
        elif takes and not hints.destructive:
            counts = "a read" if hints.read_only else "a write that only adds"
            said = f"counts as {counts} because it is a {tool.method}, but its description says {shown(takes)}"
        elif hints.read_only and tool.method == "GET" and (verb := _verb(tool)) in _CHANGING:
            said = f"counts as a read because it is a GET, but its name says {verb}"
            likely = "read_only = true }  # or { destructive = true"
        if said:
            cure = server.table(tool, f"annotations = {{ {likely} }}")
            message = f"{tool.name} {said}"
            yield from server.finding("uncertain-annotation", tool.pointer, message, cure, [tool.name], level=level)


def _verb(tool: Tool) -> str:
    return next(iter(words((tool.operation_id or tool.name).rsplit("/", 1)[-1])), "")


def _reading_word(tool: Tool) -> str:
    """Return the word that makes a tool look like a read; a word of the path alone is not heard over the name."""
    word = looks_like_a_read(tool.method, tool.path, tool.operation_id)
    return "" if word not in (_verb(tool), "preview", "search") and _verb(tool) in _CHANGING else word


def descriptions(server: Server) -> Iterator[Finding]:
    for tool in server.tools:
        text = tool.description.removeprefix("[DEPRECATED] ")
        cure = server.table(tool, 'description = "…"')
        if _silent(tool):
            message = f"{tool.name} has no description"
            yield from server.finding("missing-description", server.at(tool), message, cure, [tool.name])
        elif repeats(text, (tool.name, tool.operation_id, tool.path)):
            message = f"{tool.name} says only {shown(text)}"
            at = server.at(tool, "description")
            yield from server.finding("tautological-description", at, message, cure, [tool.name])


def _silent(tool: AnyTool) -> bool:
    """Tell whether the document says nothing of a tool, so that its description was made of its request."""
    if isinstance(tool, Tool) and tool.listed is not None:
        return not tool.listed.get("description")
    text = tool.description.removeprefix("[DEPRECATED] ")
    return text in ("", f"{tool.title} ({tool.method} {tool.path}).")


def duplicates(server: Server) -> Iterator[Finding]:
    """Tools are sorted into buckets by what a model tells them apart by; those that share one are alike."""
    texts: defaultdict[str, list[AnyTool]] = defaultdict(list)
    spelled: defaultdict[tuple[Any, ...], list[AnyTool]] = defaultdict(list)
    for tool in server.tools:
        if not _silent(tool) and (text := same_words(tool.description.removeprefix("[DEPRECATED] "))):
            texts[text].append(tool)
        bare = [re.sub(r"s?[0-9]*$", "", w) for w in words(tool.name) if not re.fullmatch(r"v?[0-9]+", w)]
        keys = frozenset(a.key for a in tool.arguments_sorted)
        spelled[tuple(sorted(bare)), keys, tool.annotations.effect].append(tool)
    told: set[frozenset[str]] = set()
    for buckets, alike in ((texts, "description"), (spelled, "arguments, and nearly the same name")):
        for members in buckets.values():
            alike_names = frozenset(t.name for t in members)
            if len(members) < 2 or alike_names in told:
                continue
            kept = server.wanted("near-duplicate", sorted(alike_names))
            if len(kept) < 2:
                continue
            told.add(alike_names)
            first = next(t for t in members if t.name == kept[0])
            what = f": {shown(first.description)}" if buckets is texts else ""
            message = f"{listed(kept)} have the same {alike}{what}"
            cure = _told_apart(server, [t for t in members if t.name in kept], "description" if what else "name")
            yield from server.finding("near-duplicate", server.at(first), message, cure, kept)


def _told_apart(server: Server, members: list[AnyTool], key: str) -> str:
    if {t.method for t in members} == {"GET", "POST"} and len({t.path for t in members}) == 1:
        return "[include]\ncollapse_twins = true"
    old = [server.labels[t.name] for t in members if t.deprecated]
    if old and len(old) < len(members):
        return f"[exclude]\noperations = {toml(old[:8])}"
    return server.table(members[0], 'description = "{text} …"' if key == "description" else 'name = "…"')


def deprecated(server: Server) -> Iterator[Finding]:
    for tool in server.plan.operations:
        if tool.deprecated and not _SUCCESSOR.search(tool.description):
            exclude = f"[exclude]\noperations = {toml([server.labels[tool.name]])}\n# or\n"
            cure = exclude + server.table(tool, 'description = "{text} Use {tool:…} instead."')
            message = f"{tool.name} is deprecated, and does not say what replaces it"
            yield from server.finding("deprecated-tool", tool.pointer, message, cure, [tool.name])


CHECKS = (budgets, names, left_out, effects, descriptions, duplicates, large, deprecated)
