"""Turns two contracts of a server into the list of what changed for a model that calls its tools."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..plan import json_bytes
from .facts import Contract
from .schemas import SchemaChange, compare

__all__ = ["CLASSES", "MEANING", "Change", "Class", "Diff", "Size", "diff"]

Class = Literal["danger", "breaking", "undecided", "output", "additive", "wording", "cost"]
"""What a change means, gravest first."""

CLASSES: tuple[Class, ...] = get_args(Class)

MEANING: Mapping[Class, str] = {
    "danger": "a model may do what it could not do before, or do it where nobody asked for it",
    "breaking": "a call that worked may be refused, or do something else",
    "undecided": "the two are not the same, and which calls that touches cannot be told",
    "output": "what comes back has another shape",
    "additive": "more is possible, and nothing less",
    "wording": "the same calls, told in other words, which steer a model all the same",
    "cost": "the size of the entry in tools/list",
}
"""Danger is a read that writes, a write that destroys, a new destructive tool, a gate that is loosened, a wider scope,
another host."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed. `tool` is its name now, or before if it is gone; empty for the whole server."""

    kind: Class
    what: str
    """What happened, as a stable word for programs: tool-removed, argument-narrowed, host-changed."""
    tool: str
    place: str
    """Where in the tool, if anywhere: `arguments.incident.priority.id`, `annotations`, `answer.items[].id`."""
    reason: str
    """What changed and why that is of this class: one sentence without markup; text of the document may be in it."""
    area: str = ""
    operation: str = ""
    """The operationId, or method and path of an operation without one."""
    old: Any = None
    """What was there, as JSON; of wording the text. None for nothing."""
    new: Any = None


@dataclass(frozen=True, slots=True)
class Size:
    """What a tool costs in `tools/list` before and now, in tokens (a quarter of its bytes); None where it is not."""

    tool: str
    area: str
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class Diff:
    """All that changed in one server: gravest first, then by tool and place."""

    name: str
    title: str
    changes: tuple[Change, ...]
    sizes: tuple[Size, ...]
    """Of every tool on either side, by name."""
    schemas: Mapping[str, tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]
    """Of every tool that a change names: its entry in `tools/list` before and now; None where it is not."""
    against: str = ""
    """What it was compared with, in words: `origin/main (1a2b3c4)`, `old/openapi.json`."""
    limits: tuple[str, ...] = ()
    """What could not be compared, in words: the old side has no contract.yaml."""
    listed: tuple[int, int] | None = None
    """What the whole of `tools/list` costs before and now, in tokens; the sum of the tools where it is not known."""

    @property
    def counts(self) -> dict[Class, int]:
        """How many changes there are of each class, gravest first; those without any are left out."""
        found = Counter(c.kind for c in self.changes)
        return {c: found[c] for c in CLASSES if found[c]}

    @property
    def tokens(self) -> tuple[int, int]:
        """What the whole of `tools/list` costs before and now."""
        return self.listed or (sum(s.old or 0 for s in self.sizes), sum(s.new or 0 for s in self.sizes))

    def reaches(self, level: Class) -> bool:
        """Tell whether a change is of that class or a graver one."""
        return any(CLASSES.index(c.kind) <= CLASSES.index(level) for c in self.changes)


def diff(name: str, title: str, old: Contract, new: Contract, against: str = "") -> Diff:
    """Return what changed from `old` to `new`; `against` says in words what `old` is."""
    pairs, gone, come = _paired(old, new)
    both = old.complete and new.complete and old.entries and new.entries
    found = list(_of_server(old, new)) if both else []
    answers = _Answers(old, new)
    for before, now in pairs:
        found += _of_tool(_Side(old, before), _Side(new, now), answers)
    found += (_removed(_Side(old, n), new) for n in gone)
    found += (_added(_Side(new, n)) for n in come)
    sizes = tuple(
        sorted(
            [_size(_Side(old, b), _Side(new, n)) for b, n in pairs]
            + [_size(_Side(old, n), None) for n in gone]
            + [_size(None, _Side(new, n)) for n in come],
            key=lambda s: s.tool,
        )
    )
    named = {c.tool for c in found if c.tool}
    before_of = {n: b for b, n in pairs}
    schemas = {n: (old.entries.get(before_of.get(n, n)), new.entries.get(n)) for n in sorted(named)}
    limits: tuple[str, ...] = ()
    if not (old.complete and new.complete):
        side = "old" if not old.complete else "new"
        lacking = "requests, hosts, credentials, answers and renames were not compared"
        limits = (f"the {side} side has no contract.yaml: {lacking}",)
    order = {c: i for i, c in enumerate(CLASSES)}
    found.sort(key=lambda c: (order[c.kind], c.tool, c.place, c.what, c.reason))
    listed = len(json_bytes(list(old.entries.values()))) // 4, len(json_bytes(list(new.entries.values()))) // 4
    return Diff(name, title, tuple(found), sizes, schemas, against, limits, listed)


# -- tools, and which is which ------------------------------


@dataclass(frozen=True, slots=True)
class _Side:
    """A tool on one of the two sides."""

    contract: Contract
    name: str

    @property
    def entry(self) -> Mapping[str, Any]:
        return self.contract.entries[self.name]

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.contract.facts.get(self.name, {})

    @property
    def operation(self) -> str:
        return str(self.facts.get("operation") or self.facts.get("request") or "")

    @property
    def area(self) -> str:
        return str(self.facts.get("area", ""))

    @property
    def effect(self) -> str:
        hints = self.entry.get("annotations") or {}  # a hint that is missing means the worst (MCP, ToolAnnotations)
        if hints.get("readOnlyHint", False):
            return "read"
        return "destructive" if hints.get("destructiveHint", True) else "write"

    @property
    def host(self) -> str:
        return str(self.contract.server.get("hosts", {}).get(self.facts.get("host", ""), ""))

    @property
    def tokens(self) -> int:
        return len(json_bytes(self.entry)) // 4

    def change(self, kind: Class, what: str, place: str, reason: str, old: Any = None, new: Any = None) -> Change:
        return Change(kind, what, self.name, place, reason, self.area, self.operation, old, new)


def _paired(old: Contract, new: Contract) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Return the tools that are on both sides, by their names there, those that are gone, and those that have come.

    An operation makes a tool the same: by its operationId, else by method and path. Names decide where a side does not
    say what operation it is, and between the tools of one operation.
    """
    gone, come = dict.fromkeys(sorted(old.entries)), dict.fromkeys(sorted(new.entries))
    pairs: list[tuple[str, str]] = []

    def pair(key_of: Any, *, named: bool) -> None:
        waiting: dict[Any, list[str]] = {}
        for name in come:
            if (key := key_of(_Side(new, name))) is not None:
                waiting.setdefault((key, name) if named else key, []).append(name)
        for name in list(gone):
            key = key_of(_Side(old, name))
            names = waiting.get((key, name) if named else key, []) if key is not None else []
            if names:
                pairs.append((name, found := names.pop(0)))
                del gone[name], come[found]

    known = old.complete and new.complete
    if known:
        pair(lambda s: s.operation, named=True)
        pair(lambda s: s.facts.get("operation"), named=False)
        pair(lambda s: _unnamed(str(s.facts.get("request", ""))) if "arguments" in s.facts else None, named=False)
    pair(lambda s: "", named=True)
    return sorted(pairs, key=lambda p: p[1]), list(gone), list(come)


def _unnamed(request: str) -> str:
    """Return a method and path without the names of the path's parameters."""
    return re.sub(r"\{[^{}]*\}", "{}", request)


def _size(old: _Side | None, new: _Side | None) -> Size:
    side = new or old
    assert side is not None
    return Size(side.name, side.area, old.tokens if old else None, new.tokens if new else None)


def _removed(old: _Side, new: Contract) -> Change:
    request = str(old.facts.get("request", ""))
    why = next((row["reason"] for row in new.left_out if f"{row['method']} {row['path']}" == request), "")
    reason = "the tool is gone" + (f": its operation is left out, because {why}" if why else "")
    return old.change("breaking", "tool-removed", "", reason, old.name, None)


def _added(new: _Side) -> Change:
    kind: Class = "danger" if new.effect == "destructive" else "additive"
    says = {"read": "only reads", "write": "writes, and adds only", "destructive": "may overwrite or remove"}
    reason = f"a new tool that {says[new.effect]}, for {new.tokens:,} tokens of tools/list"
    return new.change(kind, "tool-added", "", reason, None, new.name)


# -- one tool ------------------------------


def _of_tool(old: _Side, new: _Side, answers: _Answers) -> Iterator[Change]:
    if old.name != new.name:
        reason = f"the tool is called {new.name} now, was {old.name}"
        yield new.change("breaking", "tool-renamed", "name", reason, old.name, new.name)
    if old.area != new.area and old.area and new.area:
        reason = f"the tool is in the area {new.area} now, was in {old.area}"
        yield new.change("wording", "area-changed", "area", reason, old.area, new.area)
    for key in ("title", "description"):
        if old.entry.get(key) != new.entry.get(key):
            reason = f"the {key} of the tool is told in other words"
            yield new.change("wording", f"{key}-changed", key, reason, old.entry.get(key), new.entry.get(key))
    yield from _of_annotations(old, new)
    if old.contract.complete and new.contract.complete:
        yield from _of_request(old, new)
        yield from _of_credentials(old, new)
    yield from _of_arguments(old, new)
    yield from _of_answer(old, new, answers)
    if old.tokens != new.tokens:
        reason = f"{new.tokens:,} tokens of tools/list now, {old.tokens:,} before ({new.tokens - old.tokens:+,})"
        yield new.change("cost", "tokens-changed", "", reason, old.tokens, new.tokens)


_GATE = {
    ("read", "write"): "it only read, and writes now",
    ("read", "destructive"): "it only read, and may overwrite or remove now",
    ("write", "destructive"): "it only added, and may overwrite or remove now",
    ("write", "read"): "it wrote, and is said to read only now: nobody is asked before it any more",
    ("destructive", "read"): "it was destructive, and is said to read only now: nobody is asked before it any more",
    ("destructive", "write"): "it was destructive, and is said to only add now: fewer clients ask before it",
}


def _of_annotations(old: _Side, new: _Side) -> Iterator[Change]:
    if old.effect != new.effect:
        rising = ("read", "write", "destructive").index(new.effect) > ("read", "write", "destructive").index(old.effect)
        what = "effect-raised" if rising else "gate-loosened"
        yield new.change("danger", what, "annotations", _GATE[old.effect, new.effect], old.effect, new.effect)
    before, now = old.entry.get("annotations") or {}, new.entry.get("annotations") or {}
    for hint, lost, won in (
        ("idempotentHint", "a second call may do something else now, so it must not be repeated", "it can be repeated"),
        ("openWorldHint", "it stays in a closed world now", "it reaches an open world now"),
    ):
        if before.get(hint) != now.get(hint):
            breaks = hint == "idempotentHint" and not now.get(hint) and new.effect != "read"
            kind: Class = "breaking" if breaks else "wording"
            reason = won if now.get(hint) else lost
            yield new.change(kind, "hint-changed", f"annotations.{hint}", reason, before.get(hint), now.get(hint))


def _of_request(old: _Side, new: _Side) -> Iterator[Change]:
    before, now = str(old.facts.get("request", "")), str(new.facts.get("request", ""))
    if _unnamed(before) != _unnamed(now):
        reason = f"it calls {now} now, was {before}"
        yield new.change("breaking", "request-changed", "request", reason, before, now)
    if old.host != new.host and old.facts.get("host", "") != new.facts.get("host", ""):
        reason = f"its requests, and the credential, go to {new.host or 'another host'} now, was {old.host}"
        yield new.change("danger", "host-changed", "request", reason, old.host, new.host)
    for part, kind, words in (("sends", "breaking", "what is sent"), ("passes on", "output", "what is passed on")):
        settings, wanted = old.facts.get(part, {}), new.facts.get(part, {})
        for key in sorted({*settings, *wanted}):
            if key == "body_required" and settings.get("body") != wanted.get("body"):
                continue  # that there is a body, or none any more, is told
            if settings.get(key) != wanted.get(key):
                optional = key == "body_required" and key not in wanted
                ours = key in ("fill", "fixed", "values", "join")
                what = "default-changed" if ours else "request-changed" if part == "sends" else "result-changed"
                reason = f"{words} has changed: {_SETTINGS.get(key, key)}"
                class_: Class = "additive" if optional else kind  # type: ignore[assignment]
                yield new.change(class_, what, part.replace(" ", "-"), reason, settings.get(key), wanted.get(key))


_SETTINGS = {
    "headers": "the headers that every call has",
    "body": "the media type of the body",
    "body_required": "whether there is always a body",
    "wrapper": "the property that the body is wrapped in",
    "xml": "the XML of the body",
    "fill": "the values that are sent when an argument is left out",
    "fixed": "the values that are always sent",
    "values": "the values that stand for others",
    "join": "the lists that are sent as one text",
    "paging": "how pages follow each other",
    "unwrap": "the property that the answer is opened at",
    "drops": "what else the answer has is dropped",
    "select": "the part of the answer that is passed on",
    "empty": "what is said of an answer without a body",
}


def _of_credentials(old: _Side, new: _Side) -> Iterator[Change]:
    """Ways in are compared by their security schemes, the scopes of each as sets (OpenAPI, Security Requirement)."""
    before = {tuple(sorted(way)): way for way in old.facts.get("credentials", ())}
    now = {tuple(sorted(way)): way for way in new.facts.get("credentials", ())}
    if bool(before) != bool(now):
        kind: Class = "danger" if before else "breaking"
        what = "credential-dropped" if before else "credential-needed"
        told = ", or ".join(" with ".join(way) or "none" for way in sorted(before or now))
        reason = f"it is called without a credential now, before with {told}" if before else f"it needs {told} now"
        yield new.change(kind, what, "credentials", reason, list(before.values()), list(now.values()))
        return
    for way in sorted(now.keys() | before.keys()):
        told = " with ".join(way) or "no credential"
        too = " too" if before.keys() & now.keys() else ""
        if way not in before:
            kind = "danger" if not way else "additive"
            what = "credential-dropped" if not way else "credential-added"
            yield new.change(kind, what, "credentials", f"it can be called with {told}{too}", None, now[way])
        elif way not in now:
            reason = f"it can no longer be called with {told}"
            yield new.change("breaking", "credential-removed", "credentials", reason, before[way], None)
        else:
            for scheme in way:
                had, has = set(before[way][scheme]), set(now[way][scheme])
                if has - had:
                    reason = f"it asks for more of {scheme}: {', '.join(sorted(has - had))}"
                    yield new.change("danger", "scope-widened", "credentials", reason, sorted(had), sorted(has))
                elif had - has:
                    reason = f"it asks for less of {scheme}: no longer {', '.join(sorted(had - has))}"
                    yield new.change("additive", "scope-narrowed", "credentials", reason, sorted(had), sorted(has))


_INPUT: Mapping[str, Class] = {
    "narrowed": "breaking",
    "widened": "additive",
    "undecided": "undecided",
    "reworded": "wording",
}


def _of_arguments(old: _Side, new: _Side) -> Iterator[Change]:
    before, now = old.entry.get("inputSchema", {}), new.entry.get("inputSchema", {})
    places, wanted = old.facts.get("arguments", {}), new.facts.get("arguments", {})
    renamed = _renamed(old, new)
    for was, is_ in sorted(renamed.items()):
        reason = f"the argument is called {is_} now, was {was}"
        yield new.change("breaking", "argument-renamed", f"arguments.{is_}", reason, was, is_)
    if renamed:
        before = dict(before)
        before["properties"] = {renamed.get(k, k): v for k, v in before.get("properties", {}).items()}
        before["required"] = [renamed.get(k, k) for k in before.get("required", ())]
    for change in compare(before, now):
        what, reason = change.what, change.reason
        if change.place in (*before.get("properties", ()), *now.get("properties", ())):
            what, reason = what.replace("property-", "argument-"), reason.replace("the property", "the argument")
        place = f"arguments.{change.place}" if change.place else "arguments"
        yield new.change(_INPUT[change.verdict], what, place, reason, change.old, change.new)
    sent, sends = old.facts.get("sends", {}), new.facts.get("sends", {})
    rebuilt = any(sent.get(k) != sends.get(k) for k in ("body", "wrapper"))  # which is told of the request, once
    for key in sorted(wanted):
        was = next((k for k, v in renamed.items() if v == key), key)
        if rebuilt and was in places and _in_body(places[was]) and _in_body(wanted[key]):
            continue
        if was in places and _placed(places[was]) != _placed(wanted[key]):
            reason = "its value is sent in another way"
            yield new.change("breaking", "place-changed", f"arguments.{key}", reason, places[was], wanted[key])


def _placed(marker: str) -> str:
    """Return where a value goes, but for the name of a path's parameter, which is not sent, and whether it may be null,
    which the schema says."""
    return re.sub(r"^Path\((['\"]).*?\1", "Path(", re.sub(r"(?:, null=True|null=True)\)$", ")", marker))


def _in_body(marker: str) -> bool:
    return not marker.startswith(("Path(", "Query(", "Header(", "Cookie("))


def _renamed(old: _Side, new: _Side) -> dict[str, str]:
    """Return the arguments that have another name now, by the old one: what they are sent as has stayed."""
    before, now = _markers(old), _markers(new)
    gone = {m: k for k, m in before.items() if k not in now}
    return {gone[m]: k for k, m in now.items() if k not in before and m in gone}


def _markers(side: _Side) -> dict[str, str]:
    """Return where the value of each argument goes; of a path's parameter its position."""
    names = re.findall(r"\{([^{}]*)\}", str(side.facts.get("request", "")))
    found = {}
    for key, marker in side.facts.get("arguments", {}).items():
        path = re.match(r"Path\((['\"])(.*?)\1", marker)
        found[key] = f"Path {names.index(path[2])}" if path and path[2] in names else _placed(marker)
    return found


def _of_answer(old: _Side, new: _Side, answers: _Answers) -> Iterator[Change]:
    before, now = old.entry.get("outputSchema"), new.entry.get("outputSchema")
    if (before is None) != (now is None):
        reason = "its results have a schema now" if before is None else "its results have no schema any more"
        what = "output-schema-added" if before is None else "output-schema-removed"
        yield new.change("output", what, "result", reason, before, now)
    elif before is not None and now is not None:
        yield from (_output(new, "result", c) for c in compare(before, now))
    if not (old.contract.complete and new.contract.complete):
        return
    before, now = old.facts.get("answer"), new.facts.get("answer")
    if (before is None) != (now is None):
        reason = "the API says what it answers now" if before is None else "the API no longer says what it answers"
        yield new.change("output", "answer-told" if before is None else "answer-untold", "answer", reason)
    elif before is not None:
        yield from (_output(new, root, c) for root, c in answers.changes(before, now))


def _output(new: _Side, root: str, change: SchemaChange) -> Change:
    place = f"{root}.{change.place}" if change.place else root
    kind: Class = "wording" if change.verdict == "reworded" else "output"
    return new.change(kind, change.what, place, change.reason, change.old, change.new)


_FEW = 50
"""With how many schemas an answer is still compared as a whole."""


class _Answers:
    """Compares what tools answer.

    An answer that leads to many shared schemas, as everything in some APIs leads to everything, is not compared as a
    whole but schema by schema, and each of those once, however many tools answer with it.
    """

    def __init__(self, old: Contract, new: Contract) -> None:
        self._old, self._new = old, new
        self._found: dict[str, list[SchemaChange]] = {}

    def changes(self, before: Any, now: Any) -> Iterator[tuple[str, SchemaChange]]:
        """Yield what changed in an answer, each with the name of what its place starts from."""
        one, other = (a if isinstance(a, dict) else {} if a else {"not": {}} for a in (before, now))
        reached, wanted = _reached(self._old, one), _reached(self._new, other)
        if len(reached) + len(wanted) <= 2 * _FEW:
            yield from (("answer", c) for c in compare({**one, "$defs": reached}, {**other, "$defs": wanted}))
            return
        yield from (("answer", c) for c in compare(one, other))
        for name in sorted(reached.keys() & wanted.keys()):
            if name not in self._found:  # what it refers to is compared by name here, and by itself
                self._found[name] = compare(reached[name], wanted[name])
            yield from ((f"answer({name})", c) for c in self._found[name])


def _reached(contract: Contract, schema: Any) -> dict[str, Any]:
    """Return the schemas that one refers to, directly or not, by name."""
    found: dict[str, Any] = {}
    todo = [schema]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            name = str(value.get("$ref", "")).removeprefix("#/$defs/")
            if name in contract.schemas and name not in found:
                found[name] = contract.schemas[name]
                todo.append(found[name])
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return found


# -- the server ------------------------------


def _of_server(old: Contract, new: Contract) -> Iterator[Change]:
    def change(kind: Class, what: str, place: str, reason: str, was: Any = None, is_: Any = None) -> Change:
        return Change(kind, what, "", place, reason, old=was, new=is_)

    before, now = old.server, new.server
    for key, told in (("title", "the title"), ("instructions", "what the server tells every model")):
        if before.get(key) != now.get(key):
            reason = f"{told} is told in other words"
            yield change("wording", f"{key}-changed", key, reason, before.get(key), now.get(key))
    hosts, wanted = before.get("hosts", {}), now.get("hosts", {})
    for key in sorted(hosts.keys() & wanted.keys()):
        if hosts[key] != wanted[key]:
            reason = f"requests, and the credential, go to {wanted[key] or 'no known host'} now, was {hosts[key]}"
            yield change("danger", "host-changed", "hosts", reason, hosts[key], wanted[key])
    if before.get("endpoint") != now.get("endpoint"):
        reason = "calls are passed on to another endpoint"
        yield change("danger", "host-changed", "endpoint", reason, before.get("endpoint"), now.get("endpoint"))
    if before.get("callers") and now.get("credentials") and not now.get("callers"):
        reason = "callers over HTTP bring no key of their own any more: who reaches the server acts with its credential"
        yield change("danger", "gate-loosened", "callers", reason, before["callers"], None)
        before = {k: v for k, v in before.items() if k != "callers"}
    for part, what, words in (
        ("credentials", "credential-changed", "is placed in another way"),
        ("headers", "request-changed", "has another value in every request"),
        ("callers", "credential-changed", "is what callers send in another form"),
    ):
        ours, theirs = before.get(part, {}), now.get(part, {})
        names = ours.keys() & theirs.keys() if part == "credentials" else ours.keys() | theirs.keys()
        for name in sorted(names):
            if ours.get(name) != theirs.get(name):
                yield change("breaking", what, part, f"{name} {words}", ours.get(name), theirs.get(name))
    for name in sorted(set(now.get("needs", ())) - set(before.get("needs", ()))):
        yield change(
            "breaking", "variable-needed", "needs", f"the server does not start without {name} now", None, name
        )
    for name in sorted(set(before.get("needs", ())) - set(now.get("needs", ()))):
        yield change("additive", "variable-optional", "needs", f"the server starts without {name} now", name, None)
    for origin in sorted(set(now.get("origins", ())) - set(before.get("origins", ()))):
        reason = f"pages of {origin} may call the server from a browser now"
        yield change("danger", "gate-loosened", "origins", reason, None, origin)
    for origin in sorted(set(before.get("origins", ())) - set(now.get("origins", ()))):
        reason = f"pages of {origin} may no longer call the server from a browser"
        yield change("breaking", "gate-tightened", "origins", reason, origin, None)
