"""Tells by evidence which operation is an MCP endpoint, because one that takes every call of every tool is no tool.

Sources: MCP 2025-11-25 and 2026-07-28, "Streamable HTTP"; JSON-RPC 2.0, section 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .spec import RawOperation, Spec, Unresolved, escape

__all__ = ["alone", "evidence", "examples"]

_ACCEPTED = ("application/json", "text/event-stream")
_METHODS = ("initialize", "server/discover", "tools/call", "tools/list")


def alone(spec: Spec) -> tuple[RawOperation, tuple[str, ...]] | None:
    """Return the operation that is an MCP endpoint, with the evidence; None for a document that has others too.

    GET and DELETE of the same path belong to the transport.
    """
    operations = list(spec.operations())
    found = [(o, said) for o in operations if (said := evidence(spec, o))]
    if len(found) != 1 or any(o.path != found[0][0].path or o.method not in _TRANSPORT for o in operations):
        return None
    return found[0]


_TRANSPORT = ("DELETE", "GET", "OPTIONS", "POST")


def evidence(spec: Spec, raw: RawOperation) -> tuple[str, ...]:
    """Return what shows that an operation takes the messages of MCP; nothing when it does not.

    That its body is a JSON-RPC request is not enough: many an API is JSON-RPC without being MCP.
    """
    if raw.method != "POST":
        return ()
    method = None
    for schema in _bodies(spec, raw):
        properties = dict(_properties(spec, schema))
        if "method" in properties and _values(properties.get("jsonrpc")) == ["2.0"]:
            method = properties["method"]
    if method is None:
        return ()
    found = []
    if all(kind in _accept(spec, raw) for kind in _ACCEPTED):
        found.append("it asks to accept both JSON and an event stream")
    named = {v.get("method") for _, v in examples(spec, raw.node.get("requestBody")) if isinstance(v, dict)}
    if called := sorted({*_METHODS} & {*_values(method), *filter(_is_text, named)}):
        found.append(f"it is shown with the method {', '.join(called)}")
    if raw.path.split("?")[0].rstrip("/").endswith("/mcp"):
        found.append("its path ends in /mcp")
    return ("its body is a request of JSON-RPC 2.0", *found) if found else ()


def examples(spec: Spec, stated: Any) -> Iterator[tuple[str, Any]]:
    """Yield the example values of a body or an answer, each with its pointer."""
    try:
        node, _ = spec.deref(stated, "#")
    except Unresolved:
        return
    content = node.get("content") if isinstance(node, dict) else None
    for media in content.values() if isinstance(content, dict) else ():
        if not isinstance(media, dict):
            continue
        if "example" in media:
            yield "", media["example"]
        several = media.get("examples")
        for example in several.values() if isinstance(several, dict) else ():
            try:
                known, at = spec.deref(example, "#")
            except Unresolved:
                continue
            if isinstance(known, dict) and "value" in known:
                yield f"{at}/value", known["value"]


def _bodies(spec: Spec, raw: RawOperation) -> Iterator[Any]:
    """Yield the schemas of the JSON that an operation takes."""
    try:
        body, _ = spec.deref(raw.node.get("requestBody"), f"{raw.pointer}/requestBody")
    except Unresolved:
        return
    content = body.get("content") if isinstance(body, dict) else None
    for kind, media in content.items() if isinstance(content, dict) else ():
        if kind.split(";")[0].strip().lower() == "application/json" and isinstance(media, dict):
            yield media.get("schema")


def _properties(spec: Spec, schema: Any, depth: int = 4) -> Iterator[tuple[str, Any]]:
    """Yield the properties of a schema and of the forms that it combines."""
    try:
        node, _ = spec.deref(schema, "#")
    except Unresolved:
        return
    if not isinstance(node, dict) or not depth:
        return
    for kind in ("allOf", "oneOf", "anyOf"):
        parts = node.get(kind)
        for part in parts if isinstance(parts, list) else ():
            yield from _properties(spec, part, depth - 1)
    if isinstance(node.get("properties"), dict):
        yield from node["properties"].items()


def _values(schema: Any) -> list[Any]:
    if not isinstance(schema, dict):
        return []
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return [v for v in values if _is_text(v)] if isinstance(values, list) else []


def _accept(spec: Spec, raw: RawOperation) -> str:
    """Return all that is said of the header Accept."""
    for holder, pointer in ((raw.node, raw.pointer), (raw.item, raw.item_pointer)):
        stated = holder.get("parameters")
        for index, item in enumerate(stated if isinstance(stated, list) else ()):
            try:
                node, _ = spec.deref(item, f"{pointer}/parameters/{escape(str(index))}")
            except Unresolved:
                continue
            if isinstance(node, Mapping) and str(node.get("name")).lower() == "accept":
                return json.dumps(node, default=str)
    return ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
