"""Turns a tool, an argument, or a property inside one into the place of the document that speaks of it.

The plan says what a model sees; a person who is to cure it must be shown where the vendor wrote it. Nothing here
judges: what the document does not lead to has the place of what is around it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..plan import Argument, Tool
from ..spec import RawOperation, Spec, Unresolved, escape

__all__ = ["Places"]

_BRANCHES = ("allOf", "oneOf", "anyOf")
_ONE = ("items", "additionalProperties", "contains", "propertyNames", "if", "then", "else")
_MANY = (*_BRANCHES, "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas")

ITEM, VALUE = "[]", "{}"
"""The steps into a list and into the values of a map; every other step is the name of a property."""


class Places:
    """Finds places of one document."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._operations = {o.pointer: o for o in spec.operations()}
        self._parameters: dict[str, dict[tuple[str, str], str]] = {}
        self._parts: dict[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {}
        self._steps: dict[tuple[str, str], tuple[str, ...]] = {}
        self._walked: set[str] = set()

    def operation(self, tool: Tool) -> RawOperation | None:
        """Return the operation of a tool; None for one that another MCP server lists."""
        return self._operations.get(tool.pointer)

    def argument(self, tool: Tool, argument: Argument) -> str:
        """Return the pointer of a parameter, or of a property of the body; empty for what is not in the document."""
        raw = self.operation(tool)
        if raw is None:
            return f"{tool.pointer}/inputSchema/properties/{escape(argument.key)}" if tool.listed is not None else ""
        places = (argument.place,) if argument.place in ("path", "query", "header", "cookie") else ("query",)
        for place in places if argument.place != "body" else ():
            if found := self._of(raw).get((place, argument.wire.lower() if place == "header" else argument.wire)):
                return found
        return self._body(raw, _way(argument.marker_source))

    def inside(self, pointer: str, way: Sequence[str]) -> list[str]:
        """Return the pointers of what `way` leads to from `pointer`: several where the forms of a union have it."""
        found = [pointer]
        for step in way:
            found = list(dict.fromkeys(p for at in found for p in self._step(at, step)))
        return found

    def silent(self, pointer: str) -> bool:
        """Tell whether nothing describes the schema at `pointer`, neither there nor where it is defined."""
        try:
            nodes = [self._spec.resolve(pointer), *(node for _, node in self._members(pointer))]
        except Unresolved:
            return True
        return not any(isinstance(n, dict) and str(n.get("description") or "").strip() for n in nodes)

    def bodies(self, tool: Tool) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the JSON media types of a tool's request body with their pointers, each once in all calls."""
        raw = self.operation(tool)
        for at, media_type, media in self._content(raw) if raw else ():
            if "json" in media_type and isinstance(media, dict) and at not in self._walked:
                self._walked.add(at)
                yield at, media

    def schemas(self, pointer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the parameter or schema at `pointer` and every schema that it leads to, each once in all calls."""
        todo = [pointer]
        while todo:
            at = todo.pop()
            if at in self._walked:
                continue
            self._walked.add(at)
            try:
                node = self._spec.resolve(at)
                target = self._spec.deref(node, at)[1] if isinstance(node, dict) and "$ref" in node else at
            except Unresolved:
                continue
            if not isinstance(node, dict) or node.get("readOnly") is True:
                continue
            yield at, node
            todo += reversed([target] if target != at else [])
            todo += reversed(list(_below(node, at)))

    # -- steps ------------------------------

    def _of(self, raw: RawOperation) -> dict[tuple[str, str], str]:
        """Return the parameters of an operation, those of the path among them, with their pointers."""
        if raw.pointer not in self._parameters:
            found: dict[tuple[str, str], str] = {}
            for holder, pointer in ((raw.item, raw.item_pointer), (raw.node, raw.pointer)):
                stated = holder.get("parameters")
                for index, item in enumerate(stated if isinstance(stated, list) else ()):
                    try:
                        node, at = self._spec.deref(item, f"{pointer}/parameters/{index}")
                    except Unresolved:
                        continue
                    place, name = (node.get("in"), node.get("name")) if isinstance(node, dict) else (None, None)
                    if isinstance(place, str) and isinstance(name, str):
                        found[place, name.lower() if place == "header" else name] = at
            self._parameters[raw.pointer] = found
        return self._parameters[raw.pointer]

    def _body(self, raw: RawOperation, way: Sequence[str]) -> str:
        for at, _, _ in self._content(raw):
            pointer = f"{at}/schema"
            if self._members(pointer) and (found := self.inside(pointer, way)):
                return found[0]
        return ""

    def _content(self, raw: RawOperation) -> Iterator[tuple[str, str, Any]]:
        """Yield the media types of a request body: pointer, name, Media Type Object; JSON comes first."""
        if "requestBody" not in raw.node:
            return
        try:
            body, at = self._spec.deref(raw.node["requestBody"], f"{raw.pointer}/requestBody")
        except Unresolved:
            return
        content = body.get("content") if isinstance(body, dict) else None
        content = content if isinstance(content, dict) else {}
        for media_type in sorted(content, key=lambda m: ("json" not in m, m)):
            yield f"{at}/content/{escape(media_type)}", media_type, content[media_type]

    def _step(self, pointer: str, step: str) -> tuple[str, ...]:
        if (pointer, step) not in self._steps:
            self._steps[pointer, step] = tuple(self._steps_of(pointer, step))
        return self._steps[pointer, step]

    def _steps_of(self, pointer: str, step: str) -> Iterator[str]:
        for at, node in self._members(pointer):
            if step in (ITEM, VALUE):
                key = "items" if step == ITEM else "additionalProperties"
                if isinstance(node.get(key), dict):
                    yield f"{at}/{key}"
            elif isinstance(named := node.get("properties"), dict) and step in named:
                yield f"{at}/properties/{escape(step)}"

    def _members(self, pointer: str) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Return the objects that together say what stands at `pointer`: references followed, branches opened."""
        if pointer not in self._parts:
            found: dict[str, Mapping[str, Any]] = {}
            todo = [pointer]
            seen = set()
            while todo:
                at = todo.pop(0)
                if at in seen:
                    continue
                seen.add(at)
                try:
                    node, at = self._spec.deref(self._spec.resolve(at), at)
                except Unresolved:
                    continue
                if not isinstance(node, dict):
                    continue
                found[at] = node
                for key in _BRANCHES:
                    if isinstance(node.get(key), list):
                        todo += [f"{at}/{key}/{i}" for i in range(len(node[key]))]
                if "in" in node and "name" in node:  # a parameter, whose schema is meant
                    todo += list(_below(node, at))
            self._parts[pointer] = tuple(found.items())
        return self._parts[pointer]


def _below(node: Mapping[str, Any], at: str) -> Iterator[str]:
    """Yield the pointers of the schemas right below a schema, or a parameter."""
    if isinstance(node.get("schema"), dict):
        yield f"{at}/schema"
    content = node.get("content")
    for media_type in content if isinstance(content, dict) else ():
        yield f"{at}/content/{escape(media_type)}/schema"
    for key in _ONE:
        if isinstance(node.get(key), dict):
            yield f"{at}/{key}"
    for key in _MANY:
        if isinstance(node.get(key), list):
            yield from (f"{at}/{key}/{i}" for i in range(len(node[key])))
    for key in _NAMED:
        if isinstance(node.get(key), dict):
            yield from (f"{at}/{key}/{escape(name)}" for name in node[key])


@lru_cache(maxsize=10_000)
def _way(marker: str) -> tuple[str, ...]:
    """Return the names on the way from the body to an argument: those that its marker is called with."""
    call = ast.parse(marker, mode="eval").body if marker else None
    stated = call.args if isinstance(call, ast.Call) else []
    named = tuple(a.value for a in stated if isinstance(a, ast.Constant) and isinstance(a.value, str))
    return named[:1] if marker.startswith("PartHeader(") else named
