"""Tells by evidence which operation is an MCP endpoint, because one that takes every call of every tool is no tool.

Sources: MCP 2025-11-25 and 2026-07-28, "Streamable HTTP"; JSON-RPC 2.0, section 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .spec import RawOperation, Spec, Unresolved, escape

__all__ = ["alone", "evidence", "examples"]

_TRANSPORT = ("DELETE", "GET", "OPTIONS", "POST")
"""What Streamable HTTP, and a browser before it, sends to an endpoint."""

_METHODS = {"initialize", "server/discover", "tools/call", "tools/list"}


def alone(spec: Spec) -> tuple[RawOperation, tuple[str, ...]] | None:
    """Return the operation that is an MCP endpoint, with the evidence; None for a document that is about more."""
    operations = list(spec.operations())
    if len({o.path for o in operations}) != 1 or any(o.method not in _TRANSPORT for o in operations):
        return None
    return next(((o, said) for o in operations if (said := evidence(spec, o))), None)


def evidence(spec: Spec, raw: RawOperation) -> tuple[str, ...]:
    """Return what shows that an operation takes the messages of MCP; nothing when it does not.

    That its body is a JSON-RPC request is not enough: many an API is JSON-RPC without being MCP.
    """
    if raw.method != "POST":
        return ()
    method = None
    for schema, at in _bodies(spec, raw):
        properties = dict(_properties(spec, schema, at))
        if "method" in properties and _values(properties.get("jsonrpc")) == ["2.0"]:
            method = properties["method"]
    if method is None:
        return ()
    found = []
    accepted = _accept(spec, raw)
    if "application/json" in accepted and "text/event-stream" in accepted:
        found.append("its Accept header names both JSON and event streams")
    shown = [v.get("method") for _, v in examples(spec, raw.node.get("requestBody"), f"{raw.pointer}/requestBody")]
    if called := sorted(_METHODS & {str(m) for m in (*_values(method), *shown)}):
        found.append(f"it is shown with the method {' and '.join(called)}")
    if raw.path.split("?")[0].rstrip("/").endswith("/mcp"):
        found.append("its path ends in /mcp")
    return ("its body is a request of JSON-RPC 2.0", *found) if found else ()


def examples(spec: Spec, stated: Any, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects that a body or an answer shows as examples, each with its pointer."""
    for media, at in _media(spec, stated, pointer):
        if isinstance(media.get("example"), dict):
            yield f"{at}/example", media["example"]
        several = media.get("examples")
        for name, example in several.items() if isinstance(several, dict) else ():
            node, place = _deref(spec, example, f"{at}/examples/{escape(name)}")
            if isinstance(node, dict) and isinstance(node.get("value"), dict):
                yield f"{place}/value", node["value"]


def _bodies(spec: Spec, raw: RawOperation) -> Iterator[tuple[Any, str]]:
    for media, at in _media(spec, raw.node.get("requestBody"), f"{raw.pointer}/requestBody"):
        yield media.get("schema"), f"{at}/schema"


def _media(spec: Spec, stated: Any, pointer: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the Media Type Objects of a body or an answer that are JSON."""
    node, at = _deref(spec, stated, pointer)
    content = node.get("content") if isinstance(node, dict) else None
    for kind, media in content.items() if isinstance(content, dict) else ():
        known, place = _deref(spec, media, f"{at}/content/{escape(kind)}")
        if "json" in kind.lower() and isinstance(known, dict):
            yield known, place


def _properties(spec: Spec, schema: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    """Yield the properties of a schema, then those that only the forms have which it combines."""
    todo, seen, told = [(schema, pointer)], set(), set()
    for stated, place in todo:
        node, at = _deref(spec, stated, place)
        if not isinstance(node, dict) or at in seen:
            continue
        seen.add(at)
        for kind in ("allOf", "oneOf", "anyOf"):
            parts = node.get(kind)
            todo += [(p, f"{at}/{kind}/{i}") for i, p in enumerate(parts if isinstance(parts, list) else ())]
        properties = node.get("properties")
        for name, inner in properties.items() if isinstance(properties, dict) else ():
            if name not in told:
                told.add(name)
                yield name, _deref(spec, inner, f"{at}/properties/{escape(name)}")[0]


def _values(schema: Any) -> list[Any]:
    """Return the values that a schema names."""
    if not isinstance(schema, dict):
        return []
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return values if isinstance(values, list) else []


def _accept(spec: Spec, raw: RawOperation) -> str:
    """Return all that is said of the header Accept."""
    for holder, pointer in ((raw.node, raw.pointer), (raw.item, raw.item_pointer)):
        stated = holder.get("parameters")
        for index, item in enumerate(stated if isinstance(stated, list) else ()):
            node, _ = _deref(spec, item, f"{pointer}/parameters/{index}")
            if isinstance(node, dict) and str(node.get("name")).lower() == "accept":
                return json.dumps(node, default=str)
    return ""


def _deref(spec: Spec, node: Any, pointer: str) -> tuple[Any, str]:
    """Return what a node or its references lead to; None when that is nothing."""
    try:
        return spec.deref(node, pointer)
    except Unresolved:
        return None, pointer
