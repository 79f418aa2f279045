"""Turns the arguments of tools into those that a model cannot fill: unexplained, too many, too deep.

What many tools share, such as a parameter of `components`, is one finding: it has one place, and one cure.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..plan import Argument, CustomTool, JsonSchema, Tool, json_bytes
from .places import ITEM, VALUE
from .rules import Finding
from .server import AnyTool, At, Server, toml, toml_key
from .wording import codes, explains, known_codes

__all__ = ["CHECKS"]

_MANY = 20
_DEEP = 4
"""Objects in one another."""
_LARGE = 8_000
"""Bytes of one argument's schema."""
_EXPECTED = 2
"""How many levels of properties inside an argument are expected to say what they are."""
_BRANCHES = frozenset(("anyOf", "oneOf", "allOf", "prefixItems"))
_VALUES = 20
"""So many values need a word, even when each of them is one."""


class _Use(NamedTuple):
    """A place of the document as one argument shows it."""

    tool: AnyTool
    argument: Argument
    way: tuple[str, ...]
    schema: JsonSchema
    said: str

    @property
    def path(self) -> str:
        return self.argument.key + "".join(s if s in (ITEM, VALUE) else f".{s}" for s in self.way)


def many(server: Server) -> Iterator[Finding]:
    for tool in server.tools:
        arguments = tool.arguments_sorted
        if len(arguments) > _MANY:
            needed = [a.key for a in arguments if a.required]
            cure = server.table(tool, f"only = {toml(needed or [arguments[0].key])}  # and those that matter")
            message = f"{tool.name} has {len(arguments)} arguments, {len(needed)} of them required"
            yield from server.finding("many-arguments", server.at(tool), message, cure, [tool.name])


def each(server: Server) -> Iterator[Finding]:
    """Look at every argument, and at the properties inside it."""
    shared: dict[tuple[str, str, str, str], list[_Use]] = {}
    for tool in server.tools:
        definitions = tool.input_schema.get("$defs", {})
        for argument in tool.arguments_sorted:
            root = server.places.argument(tool, argument) if isinstance(tool, Tool) else ""
            for rule, use in _looked_at(tool, argument, definitions):
                for pointer, key in _written(server, rule, use, root):
                    # What stands nowhere is told apart by its names.
                    apart = use.path if key else "" if pointer else f"{tool.name} {use.path}"
                    shared.setdefault((rule, pointer, key, apart), []).append(use)
    for (rule, pointer, key, _), uses in shared.items():
        kept = server.wanted(rule, dict.fromkeys(u.tool.name for u in uses))
        if kept:
            first = next(u for u in uses if u.tool.name in kept)
            yield from _finding(server, rule, first, pointer, key, kept)


def _written(server: Server, rule: str, use: _Use, root: str) -> list[tuple[str, str]]:
    """Return where that stands which a rule found: a pointer into the document, or a key of the configuration."""
    label = server.labels.get(use.tool.name, "")
    for name in server.stated(use.tool).schema:
        if name in (use.argument.key, use.argument.wire):
            return [("", f"tools.{label}.schema.{name}")]
    if not use.way and rule != "deep-input" and (key := server.worded(use.tool, use.argument)):
        return [("", key)]
    found = server.places.inside(root, use.way) if root else []
    if rule.startswith("undocumented"):  # of the forms of a union those that say nothing
        return [(p, "") for p in found if server.places.silent(p)] or [(p, "") for p in found] or [("", "")]
    return [(p, "") for p in found[:1]] or [("", "")]


def _looked_at(tool: AnyTool, argument: Argument, definitions: Mapping[str, Any]) -> Iterator[tuple[str, _Use]]:
    depth, deepest = 0, ""
    for way, level, schema in _inside(argument.schema, definitions):
        use = _Use(tool, argument, way, schema, "has no description")
        if level > depth:
            depth, deepest = level, use.path
        if level > _DEEP:
            break
        if level > _EXPECTED:
            continue
        if said := _unexplained(use):
            yield "enum-without-meaning", use._replace(said=said)
        elif not schema.get("description"):
            yield "undocumented-property" if way else "undocumented-argument", use
    whole = _Use(tool, argument, (), argument.schema, f"is nested more than {_DEEP} objects deep: `{deepest}`")
    if depth > _DEEP:
        yield "deep-input", whole
    elif (size := len(json_bytes(argument.schema))) > _LARGE:
        yield "deep-input", whole._replace(said=f"has a schema of {size:,} bytes")


def _finding(server: Server, rule: str, use: _Use, pointer: str, key: str, tools: list[str]) -> Iterator[Finding]:
    at: At = server.config.problem(key, "") if key else pointer or server.at(use.tool)
    also = f" (and so in {len(tools) - 1:,} other tool{'s' * (len(tools) > 2)})" if len(tools) > 1 else ""
    message = f"{use.tool.name}: `{use.path}` {use.said}{also}"
    cure = _cure(server, rule, use, pointer, key, len(tools) > 1)
    # The place of a component is the same in every version; the number of a parameter is not.
    subject = pointer if pointer.startswith("#/components/") else ""
    yield from server.finding(rule, at, message, cure, tools, use.path, subject=subject)


def _cure(server: Server, rule: str, use: _Use, pointer: str, key: str, shared: bool) -> str:
    tool, name = use.tool, toml_key(use.argument.key)
    if isinstance(tool, CustomTool):
        return server.table(tool)
    if tool.listed is not None:
        return "it can be said on the remote server only: a proxy passes arguments on as they are"
    if rule == "deep-input":
        if use.argument.required:
            return f"[custom]\noperations = {toml([server.labels[tool.name]])}  # and a flatter tool in custom.py"
        return server.table(tool, f"hide = {toml([use.argument.key])}")
    text = "…"
    if rule == "enum-without-meaning":
        text = ", ".join(f"{v}: …" for v in _values(use.schema)[:8])
    if key:
        return f"# in that line\n{'description' if '.schema.' in key else name} = {toml(text)}"
    if (use.way or shared) and pointer:
        node = server.spec.resolve(pointer)
        was = node.get("description") if isinstance(node, dict) else None
        lines = [f"now = {toml(text)}"]
        if isinstance(was, str):
            lines.insert(0, f"was = {toml(was)}" if len(was) <= 200 else "# was = what stands there")
        return server.fix(f"{pointer}/description", *lines)
    return server.table(tool, f"arguments = {{ {name} = {toml(text)} }}")


def _unexplained(use: _Use) -> str:
    """Return what is not explained of the values of an argument; empty for none, or for words enough."""
    values = _values(use.schema)
    if len(values) < 2:
        return ""
    name = next((s for s in reversed(use.way) if s not in (ITEM, VALUE)), use.argument.key)
    text = str(use.schema.get("description", ""))
    shown = ", ".join(json.dumps(v, ensure_ascii=False)[:40] for v in values[:5]) + ", …" * (len(values) > 5)
    if found := codes(values, name):
        if not any(explains(t, found) for t in (text, use.argument.description, use.tool.description)):
            return f"is one of {shown}, and nothing says what they mean"
    elif len(values) > _VALUES and not text and not known_codes(name):
        return f"is one of {len(values)} values ({shown}), and has no description"
    return ""


def _values(schema: JsonSchema) -> list[Any]:
    """Return the values that an argument, or an item of it, may be one of."""
    inner = schema.get("items")
    nodes = [schema, inner if isinstance(inner, dict) else {}, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [v for n in nodes if isinstance(n, dict) for v in n.get("enum", ()) if v is not None]


def _inside(schema: JsonSchema, definitions: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], int, JsonSchema]]:
    """Yield a schema and the properties inside it, the nearest first: the way there, how deep, the schema.

    What several ways lead to is gone into on the shortest one only, so that recursion ends.
    """
    todo: deque[tuple[tuple[str, ...], int, Any, bool]] = deque([((), 0, schema, True)])
    seen = set()
    while todo:
        way, level, node, named = todo.popleft()
        if not isinstance(node, dict):
            continue
        if "$ref" in node:
            name = str(node["$ref"]).rpartition("/")[2]
            target = definitions.get(name, {})
            if named:
                yield way, level, {**target, **{k: v for k, v in node.items() if k != "$ref"}}
            if name not in seen:
                seen.add(name)
                todo.append((way, level, target, False))
            continue
        if named:
            yield way, level, node
        for key, value in node.items():
            if key == "properties":
                todo += [((*way, name), level + 1, inner, True) for name, inner in value.items()]
            elif key == "items":
                todo.append(((*way, ITEM), level, value, False))
            elif key == "additionalProperties":
                todo.append(((*way, VALUE), level + 1, value, False))
            elif key in _BRANCHES:
                todo += [(way, level, branch, False) for branch in value]


CHECKS = (each, many)
