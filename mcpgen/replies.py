"""Turns what an operation says of its success into what is known of its answers: wrapper, list, pages, schema.

Everything here is inferred and can be said otherwise in mcpgen.toml; what cannot be told apart is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from .config import Paging
from .plan import json_bytes
from .schemas import Defect, Publisher, Schemas, TooLarge
from .spec import RawOperation, Spec, Unresolved, escape

__all__ = ["Answers", "Outlines", "Reply", "completed", "lacking", "may_be_empty", "page_style", "reply"]

_LIMITS = ("limit", "perpage", "pagesize", "maxresults", "maxitems", "count", "size", "top", "take", "first", "max")
_PLACES = {
    "offset": ("offset", "skip", "startat", "startindex"),
    "page": ("page", "pagenumber", "pageno", "pageindex"),
    "cursor": ("cursor", "after", "startingafter", "pagetoken", "nexttoken", "nextpagetoken", "marker", "nextcursor"),
}
_MORE = {
    "offset": ("more", "hasmore", "hasnext", "hasnextpage", "istruncated"),
    "page": ("totalpages", "pagecount", "pages", "lastpage", "hasmore", "hasnext", "more"),
    "cursor": ("nextcursor", "nextpagetoken", "nexttoken", "after", "cursor", "next", "endcursor"),
}
_TOTALS = ("total", "totalcount", "totalsize", "totalitems", "totalresults", "totalrecords")
_HOLDERS = ("meta", "pagination", "paging", "pageinfo", "page", "links", "responsemetadata")
_LISTS = ("data", "items", "results", "records", "values", "entries", "list")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the answer of a success is. `wrapper` is its only property, `pointer` the place of its schema."""

    pointer: str = ""
    wrapper: str = ""
    properties: Mapping[str, tuple[Mapping[str, Any], str]] | None = None
    """Of an object its properties and their places; None for anything else."""
    is_list: bool = False


def reply(spec: Spec, raw: RawOperation) -> Reply:
    """Return what the document says of the answer with the lowest 2xx status that has JSON."""
    responses = _responses(raw)
    for status in sorted(s for s in responses if re.fullmatch(r"2([0-9][0-9]|XX)", s)):
        try:
            node, at = spec.deref(responses.get(status), f"{raw.pointer}/responses/{status}")
            stated = node.get("content") if isinstance(node, dict) else None
            content = stated if isinstance(stated, dict) else {}
            for media_type in sorted(content):
                if re.fullmatch(r"application/(.*\+)?json|\*/\*", media_type.partition(";")[0].strip().lower()):
                    media, media_at = spec.deref(content[media_type], f"{at}/content/{escape(media_type)}")
                    if isinstance(media, dict) and "schema" in media:
                        return _read(spec, f"{media_at}/schema")
        except Unresolved:
            return Reply()
    return Reply()


def may_be_empty(spec: Spec, raw: RawOperation) -> bool:
    """Tell whether a success may have no body: one that the document describes without, or any of a write."""
    responses = _responses(raw)
    for status in responses:
        with suppress(Unresolved):
            node, _ = spec.deref(responses[status], f"{raw.pointer}/responses/{status}")
            if status.startswith("2") and isinstance(node, dict) and not node.get("content"):
                return True
    return raw.method not in ("GET", "HEAD", "OPTIONS", "QUERY", "TRACE")


def _responses(raw: RawOperation) -> dict[str, Any]:
    stated = raw.node.get("responses")
    return {str(status): node for status, node in stated.items()} if isinstance(stated, dict) else {}


def _read(spec: Spec, pointer: str) -> Reply:
    properties = dict(_properties(spec, pointer))
    if not properties:
        schema, _ = spec.deref(spec.resolve(pointer), pointer)
        return Reply(pointer, is_list=isinstance(schema, dict) and _is_array(schema))
    wrapper = ""
    if len(properties) == 1:
        ((name, (node, _)),) = properties.items()
        wrapper = name if _is_array(node) or _is_object(node) else ""
    return Reply(pointer, wrapper, dict(sorted(properties.items())))


def _properties(spec: Spec, pointer: str) -> Iterator[tuple[str, tuple[Mapping[str, Any], str]]]:
    """Yield the properties of an object's schema, its own before those of its `allOf`; of a union none."""
    todo, seen, told = [pointer], set(), set()
    for place in todo:
        node, at = spec.deref(spec.resolve(place), place)
        if not isinstance(node, dict) or at in seen or "oneOf" in node or "anyOf" in node:
            continue
        seen.add(at)
        parts = node.get("allOf")
        todo += [f"{at}/allOf/{i}" for i in range(len(parts) if isinstance(parts, list) else 0)]
        stated = node.get("properties")
        for name, value in stated.items() if isinstance(stated, dict) else ():
            if name not in told:
                told.add(name)
                inner, inner_at = spec.deref(value, f"{at}/properties/{escape(name)}")
                yield name, (inner if isinstance(inner, dict) else {}, inner_at)


def _types(node: Mapping[str, Any]) -> set[str]:
    stated = node.get("type")
    return {t for t in (stated if isinstance(stated, list) else [stated]) if isinstance(t, str) and t != "null"}


def _is_array(node: Mapping[str, Any]) -> bool:
    return _types(node) == {"array"} or (not _types(node) and "items" in node)


def _is_object(node: Mapping[str, Any]) -> bool:
    said = {"properties", "allOf", "oneOf", "anyOf", "additionalProperties"}
    return _types(node) == {"object"} or (not _types(node) and not said.isdisjoint(node))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def page_style(spec: Spec, raw: RawOperation, found: Reply, parameters: Mapping[str, str]) -> Paging | None:
    """Return how the pages of a list follow each other, None for what is no list that comes in pages.

    `parameters` are the wire names of what may say size and place, with their types: those of the query, and the
    properties of a body.
    """
    items = _items(found, raw)
    if items is None:
        return None
    limit = _named(_LIMITS, parameters)
    for style, names in _PLACES.items():
        place = _named(names, parameters, text=style == "cursor")
        more = _told(spec, found, _MORE[style])
        total = _told(spec, found, _TOTALS)
        if place and (style != "cursor" or more) and (limit or more or total):
            return Paging(style=style, limit=limit, place=place, items=items, more=more, total=total)
    if limit and _links(spec, raw):
        return Paging(style="link", limit=limit, items=items)
    return None


def _named(names: tuple[str, ...], parameters: Mapping[str, str], *, text: bool = False) -> str:
    """Return the parameter that has one of `names` and is a number, or a `text` if that may be."""
    types = ("string", "integer", "") if text else ("integer", "number", "")
    plain = {_plain(n): n for n in sorted(parameters, reverse=True) if parameters[n] in types}
    return next((plain[n] for n in names if n in plain), "")


def _items(found: Reply, raw: RawOperation) -> str | None:
    """Return the property that holds the items of a list, "" when the answer is the list; None for no list.

    A name with a dot in it cannot be a path of one.
    """
    if found.is_list:
        return ""
    lists = [name for name, (node, _) in (found.properties or {}).items() if _is_array(node) and "." not in name]
    if len(lists) == 1:
        return lists[0]
    last = _plain(raw.path.rstrip("/").rsplit("/", 1)[-1])
    return next((n for n in lists if _plain(n) == last), None) or next((n for n in lists if n in _LISTS), None)


def _told(spec: Spec, found: Reply, names: tuple[str, ...]) -> str:
    """Return the path of the property with one of `names`, at the top or in an object about pages."""
    properties = found.properties or {}
    holders: list[tuple[str, Mapping[str, tuple[Mapping[str, Any], str]]]] = [("", properties)]
    for name, (_, pointer) in properties.items():
        if _plain(name) in _HOLDERS and "." not in name:
            with suppress(Unresolved):
                holders.append((f"{name}.", dict(_properties(spec, pointer))))
    for prefix, inner in holders:
        plain = {
            _plain(n): n
            for n in sorted(inner, reverse=True)
            if not _is_array(inner[n][0]) and not _is_object(inner[n][0]) and "." not in n
        }
        for name in names:
            if name in plain:
                return prefix + plain[name]
    return ""


def _links(spec: Spec, raw: RawOperation) -> bool:
    """Tell whether a success has the header Link."""
    responses = _responses(raw)
    for status in responses:
        try:
            node, _ = spec.deref(responses[status], f"{raw.pointer}/responses/{status}")
        except Unresolved:
            continue
        headers = node.get("headers") if isinstance(node, dict) else None
        if status.startswith("2") and isinstance(headers, dict) and any(h.lower() == "link" for h in headers):
            return True
    return False


def completed(stated: Paging, spec: Spec, raw: RawOperation, found: Reply, parameters: Mapping[str, str]) -> Paging:
    """Return what the configuration says of pages, completed by what is inferred."""
    inferred = page_style(spec, raw, found, parameters) or Paging(
        style="none",
        limit=_named(_LIMITS, parameters),
        items=_items(found, raw) or "",
        more=_told(spec, found, _MORE["offset"]),
        total=_told(spec, found, _TOTALS),
    )
    if stated.style not in ("", inferred.style):
        inferred = Paging(
            limit=inferred.limit,
            place=_named(_PLACES.get(stated.style, ()), parameters, text=stated.style == "cursor"),
            items=inferred.items,
            more=_told(spec, found, _MORE.get(stated.style, ())),
            total=_told(spec, found, _TOTALS),
        )
    given = {f: getattr(stated, f) for f in ("style", "limit", "place", "items", "more", "total")}
    return replace(stated, **{f: v or getattr(inferred, f) for f, v in given.items()})


def lacking(spec: Spec, found: Reply, path: str) -> tuple[str, list[str]] | None:
    """Return the step of a path that the answer does not have, with those that are there; None for a path that fits.

    What the document does not say, such as the properties of a union, may have any.
    """
    properties = found.properties or {}
    for step in filter(None, path.split(".")):
        if not properties:
            return None
        if step not in properties:
            return step, sorted(properties)
        with suppress(Unresolved):
            properties = dict(_properties(spec, properties[step][1]))
    return None


class Answers:
    """Writes the schemas of what tools answer.

    They promise no more than a client can rely on: vendors' documents are wrong about their own answers, so nothing is
    required, no list of values is closed, and what an API adds is welcome.
    """

    def __init__(self, spec: Spec, budget: int) -> None:
        self._schemas = Schemas(spec, hidden="writeOnly")
        self._publisher = Publisher(self._schemas)
        self._spec, self._budget = spec, budget

    def schema(self, found: Reply, unwrap: str, paging: tuple[str, str, str] | None) -> dict[str, Any] | None:
        """Return the schema of a tool's structured content, None where the document does not say enough.

        `unwrap` is the property that is passed on; `paging` the path of a list's items, and what the result calls them
        and the sentence about them.
        """
        if not found.pointer:
            return None
        try:
            if paging is not None:
                items, name, note = paging
                at = found.pointer
                for step in filter(None, items.split(".")):
                    at = dict(_properties(self._spec, at))[step][1]
                listed = {name: self._loose(at), note: {"type": "string"}}
                schema: dict[str, Any] = {"type": "object", "properties": listed, "required": [name, note]}
            else:
                known = found.properties or {}
                if unwrap and unwrap not in known:
                    return None
                schema = self._loose(known[unwrap][1] if unwrap else found.pointer)
                if schema.get("type") != "object":
                    schema = {"type": "object", "properties": {"result": schema}}
        except (Defect, TooLarge, Unresolved, KeyError):
            return None
        return schema if len(json_bytes(schema)) <= self._budget else None

    def _loose(self, pointer: str) -> dict[str, Any]:
        return _loosened(self._publisher.publish(self._schemas.place(pointer), None, room=4 * self._budget))


def _loosened(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that only says what is where: types, properties, items, words."""
    out: dict[str, Any] = {k: schema[k] for k in ("description", "type") if k in schema}
    if isinstance(schema.get("properties"), dict):
        out["properties"] = {k: _loosened(v) for k, v in schema["properties"].items()}
    if isinstance(schema.get("items"), dict):
        out["items"] = _loosened(schema["items"])
    branches = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(branches, list) and "type" not in out:
        out["anyOf"] = [_loosened(b) for b in branches]
    return out


class Outlines:
    """Writes what operations answer as JSON Schemas without words, for a later version to be compared with.

    What the document refers to is written once, under `schemas`, and referred to as `#/$defs/NAME`.
    """

    _SINGLE = ("additionalProperties", "items", "not", "contains")
    _LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
    _NAMED = ("properties", "patternProperties")

    def __init__(self, spec: Spec) -> None:
        self.schemas: dict[str, Any] = {}
        self._spec = spec
        self._names: dict[str, str] = {}
        self._wanted: list[tuple[Any, str, str]] = []

    def of(self, found: Reply) -> Any:
        """Return what an operation answers; None where the document does not say."""
        if not found.pointer:
            return None
        outline = self._outline(self._spec.resolve(found.pointer), found.pointer)
        while self._wanted:
            node, at, name = self._wanted.pop()
            self.schemas[name] = self._outline(node, at)
        return outline

    def _outline(self, node: Any, at: str) -> Any:
        if not isinstance(node, dict):
            return node if isinstance(node, bool) else {}
        if "$ref" in node:
            try:
                target, place = self._spec.deref(node, at)
            except Unresolved:
                return {}
            return {"$ref": f"#/$defs/{self._name(target, place)}"}
        out: dict[str, Any] = {k: node[k] for k in ("type", "format", "const", "enum") if k in node}
        if node.get("nullable") is True and isinstance(node.get("type"), str):
            out["type"] = [node["type"], "null"]
        if isinstance(required := node.get("required"), list) and required:
            out["required"] = sorted({str(name) for name in required})
        for key in self._SINGLE:
            if key in node:
                out[key] = self._outline(node[key], f"{at}/{key}")
        for key in self._LISTS:
            if isinstance(stated := node.get(key), list):
                out[key] = [self._outline(branch, f"{at}/{key}/{i}") for i, branch in enumerate(stated)]
        for key in self._NAMED:
            if isinstance(stated := node.get(key), dict):
                inner = {
                    str(name): self._outline(value, f"{at}/{key}/{escape(str(name))}")
                    for name, value in sorted(stated.items())
                    if not (isinstance(value, dict) and value.get("writeOnly") is True)
                }
                out |= {key: inner} if inner else {}
        return out

    def _name(self, node: Any, at: str) -> str:
        if at not in self._names:
            self._names[at] = re.sub(r"[^A-Za-z0-9_.-]", ".", at.removeprefix("#/components/schemas/").lstrip("#/"))
            self._wanted.append((node, at, self._names[at]))
        return self._names[at]
