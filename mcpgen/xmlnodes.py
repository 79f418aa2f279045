"""Turns the schema of an XML body into the nodes that its values are written as, where the document says them all.

What a reader of the document could take in two ways has no nodes, and the body stays one text: two properties of one
name, a name or a prefix that nobody states, a schema that admits properties nobody named. Elements stand in the order
in which the document lists the properties, as an XML schema behind it may ask for that order.

Sources: OpenAPI 3.0.4, 3.1.1 and 3.2.0, "XML Object"; XML 1.0, production 5; Namespaces in XML 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from .schemas import Key, Place, Schemas, Shape
from .spec import Spec, Unresolved, escape

__all__ = ["Unclear", "XmlNodes"]

_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME = re.compile(f"[{_START}][{_START}0-9.\u00b7\u0300-\u036f\u203f\u2040-]*")
"""A name without a colon (NCName)."""

_RESERVED = {"xml": "http://www.w3.org/XML/1998/namespace"}
"""The prefix that needs no declaration."""

_XMLNS = "http://www.w3.org/2000/xmlns/"

_DEPTH = 20
_NODES = 400
"""What a reviewer can still read."""

_CONSTRAINTS = frozenset(
    {"allOf", "not", "dependentRequired", "propertyNames", "contains", "minContains", "maxContains"}
)
"""Keywords that say nothing of further properties."""

_AROUND = frozenset(
    "allOf anyOf oneOf default deprecated description example examples externalDocs nullable title xml".split()
)
"""What may stand around a single reference that is the schema all the same."""

_SCALARS = ("string", "integer", "number", "boolean")


class Unclear(Exception):
    """The document does not say how a value is written in XML."""


@dataclass(frozen=True, slots=True)
class _Node:
    """One `XmlNode` of the runtime."""

    key: str
    kind: str
    name: str
    inside: tuple[_Node, ...] = ()
    xmlns: tuple[tuple[str, str], ...] = ()

    def source(self) -> str:
        """Return the expression; an object's ends with a comma, so that ruff gives each property a line."""
        parts = [repr(self.key), *(n.source() for n in self.inside)]
        named = self.kind not in ("text", "cdata", "none", "list") and self.name != self.key
        parts += [f"name={self.name!r}"] if named else []
        parts += [f"kind={self.kind!r}"] if self.kind != "element" else []
        parts += [f"xmlns={self.xmlns!r}"] if self.xmlns and self.kind in ("element", "wrapped") else []
        return f"XmlNode({', '.join(parts)}{',' if self.inside and self.kind not in ('list', 'wrapped') else ''})"


class XmlNodes:
    """Reads `xml` objects."""

    def __init__(self, spec: Spec, schemas: Schemas) -> None:
        self._spec, self._schemas = spec, schemas
        self._siblings = not spec.version.startswith("3.0")
        self._since_3_2 = self._siblings and not spec.version.startswith("3.1")
        self._count = 0
        self._known: dict[str, tuple[dict[str, Any], str] | Unclear] = {}

    def root(self, pointer: str, place: Place) -> str:
        """Return the source of the root node of a body whose schema stands at `pointer`. Errors: `Unclear`."""
        self._count = 0
        shape = self._schemas.at(place.key)
        if shape.nullable or not (shape.is_class or shape.type == "array"):
            raise Unclear("the body is no object")
        try:
            node = self._node([pointer], place, self.root_name(pointer), "", _RESERVED, ())
        except Unresolved as error:
            raise Unclear(error.reason) from error
        if node.kind not in ("element", "wrapped"):
            raise Unclear("the body has no root element")
        return node.source()

    def root_name(self, pointer: str) -> str:
        """Return the name of the root element, without a prefix; empty when the document does not say it."""
        try:
            said, component = self._said(pointer)
        except (Unclear, Unresolved):
            return ""
        name = said.get("name") or component
        return name if isinstance(name, str) and _NAME.fullmatch(name) else ""

    def properties(self, pointer: str) -> dict[str, list[str]]:
        """Return the properties of an object, in the order of the document, and the pointers of their schemas."""
        found: dict[str, list[str]] = {}
        for at, node in self._parts([pointer]):
            stated = node.get("properties")
            for name in stated if isinstance(stated, dict) else ():
                found.setdefault(name, []).append(f"{at}/properties/{escape(name)}")
        return found

    # -- nodes ------------------------------

    def _node(
        self, pointers: list[str], place: Place, inferred: str, key: str, scope: Mapping[str, str], way: tuple[Key, ...]
    ) -> _Node:
        """Return the node of a value; `inferred` is its name unless one is stated, `scope` the prefixes around it."""
        self._count += 1
        if place.key in way or len(way) > _DEPTH or self._count > _NODES:
            raise Unclear("the schema holds itself, or too much")
        way = (*way, place.key)
        said = self._agreed(pointers, inferred)
        shape = self._alone(place)
        kind = said.get("nodeType") if isinstance(said.get("nodeType"), str) else ""
        if kind not in ("", "element", "attribute", "text", "cdata", "none"):
            raise Unclear(f"the nodeType {kind!r}")
        if shape.type == "array":
            wrapped = kind == "element" or (not kind and said.get("wrapped") is True)
            if kind in ("attribute", "text", "cdata") or said.get("attribute") is True:
                raise Unclear("a list in an attribute or a text")
            return self._list(pointers, shape, said if wrapped else None, inferred, key, scope, way)
        kind = kind or ("attribute" if said.get("attribute") is True else "element")
        stated = said.get("name")
        name, declared = inferred, dict[str, str]()
        if kind in ("element", "attribute"):
            name, declared = self._qualified(said, stated or inferred, scope, attribute=kind == "attribute")
        if shape.is_class:
            if kind not in ("element", "none"):
                raise Unclear("an object in an attribute or a text")
            return self._object(_Node(key or name, kind, name), pointers, shape, declared, scope, way)
        if kind == "none" or not self._scalar(shape, 0):
            raise Unclear("a value that may be anything")
        return _Node(key or name, kind, name, (), tuple(sorted(declared.items())))

    def _list(
        self,
        pointers: list[str],
        shape: Shape,
        wrapper: Mapping[str, Any] | None,
        inferred: str,
        key: str,
        scope: Mapping[str, str],
        way: tuple[Key, ...],
    ) -> _Node:
        """Return the node of a list; items without a name of their own are called what the list is called."""
        if shape.items is None or shape.prefix:
            raise Unclear("a list of anything")
        items = [f"{at}/items" for at, node in self._parts(pointers) if "items" in node]
        name, declared = inferred, dict[str, str]()
        if wrapper is not None:
            outer = wrapper.get("name") or inferred
            name, declared = self._qualified(wrapper, outer, scope)
            # What items without a name are called in a list of another name than its property's, 3.2 does not say.
            inferred = "" if self._since_3_2 and outer != inferred else outer
        inner = self._alone(shape.items)
        if inner.type == "array" or inner.nullable or self._schemas.at(shape.items.key).nullable:
            raise Unclear("a list of lists, or of nulls")
        item = self._node(items, shape.items, inferred, "", {**scope, **declared}, way)
        if item.kind != "element":
            raise Unclear("a list of what is no element")
        xmlns = tuple(sorted(declared.items()))
        return _Node(key or name, "list" if wrapper is None else "wrapped", name, (item,), xmlns)

    def _object(
        self,
        node: _Node,
        pointers: list[str],
        shape: Shape,
        declared: dict[str, str],
        scope: Mapping[str, str],
        way: tuple[Key, ...],
    ) -> _Node:
        if isinstance(shape.extra, Place) or not shape.rest.keys() <= _CONSTRAINTS:
            raise Unclear("properties that nobody named")
        if shape.required - shape.properties.keys():
            raise Unclear("a property that is required, but not described")
        sites: dict[str, list[str]] = {}
        for pointer in pointers:
            for name, found in self.properties(pointer).items():
                sites.setdefault(name, []).extend(found)
        if "" in sites:
            raise Unclear("a property without a name")
        inner = {**scope, **declared}
        inside = []
        for name, found in sites.items():
            if name in shape.properties:
                inside.append(self._node(found, shape.properties[name], name, name, inner, way))
        written = list(_names(inside))
        if len(written) != len(set(written)):
            raise Unclear("two properties that are written alike")
        for attribute in _attributes(inside) if node.kind == "element" else ():
            for prefix, uri in attribute.xmlns:  # is declared on the element that has the attribute
                if declared.setdefault(prefix, uri) != uri:
                    raise Unclear(f"the prefix {prefix!r} stands for two namespaces")
        known = {**scope, **declared}
        pairs = [a.name.split(":") for a in _attributes(inside)] if node.kind == "element" else []
        named = [(known[pair[0]], pair[1]) for pair in pairs if len(pair) == 2]
        if len(named) != len(set(named)):
            raise Unclear("two attributes of one name in one namespace")
        return replace(node, inside=tuple(inside), xmlns=tuple(sorted(declared.items())))

    def _qualified(
        self, said: Mapping[str, Any], name: Any, scope: Mapping[str, str], attribute: bool = False
    ) -> tuple[str, dict[str, str]]:
        """Return a name with its prefix, and the namespace that must be declared for it."""
        prefix, uri = said.get("prefix") or "", said.get("namespace") or ""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Unclear(f"{name!r} is no name")
        if (
            not isinstance(uri, str)
            or not uri.isprintable()
            or uri == _XMLNS
            or (not prefix and uri == _RESERVED["xml"])
        ):
            raise Unclear("a namespace that is none")
        if attribute and not prefix and name == "xmlns":
            raise Unclear("an attribute that would be a declaration")
        if not prefix:
            if uri and attribute:
                raise Unclear("an attribute in a namespace, without a prefix")
            return name, {"": uri} if uri and scope.get("") != uri else {}
        if not isinstance(prefix, str) or not _NAME.fullmatch(prefix) or prefix == "xmlns":
            raise Unclear(f"{prefix!r} is no prefix")
        uri = uri or scope.get(prefix, "")
        if not uri or (prefix == "xml") != (uri == _RESERVED["xml"]):
            raise Unclear(f"the prefix {prefix!r} stands for nothing")
        return f"{prefix}:{name}", {} if scope.get(prefix) == uri else {prefix: uri}

    def _alone(self, place: Place) -> Shape:
        """Return the shape of a place; of a union with null alone, the shape of the other."""
        shape = self._schemas.at(place.key)
        if shape.type == "union" and len(shape.members) == 1:
            (member,) = shape.members
            return self._schemas.at(member.key) if isinstance(member, Place) else member
        return shape

    def _scalar(self, shape: Shape, depth: int) -> bool:
        if shape.type == "union":
            members = [self._schemas.at(m.key) if isinstance(m, Place) else m for m in shape.members]
            return depth < _DEPTH and all(self._scalar(m, depth + 1) for m in members)
        if shape.enum is not None:
            return all(isinstance(v, str | int | float) for v in shape.enum)
        return shape.type in _SCALARS

    # -- what the document says ------------------------------

    def _agreed(self, pointers: list[str], inferred: str) -> dict[str, Any]:
        """Return the `xml` of a value that several schemas describe: they must say the same."""
        stated = []
        for pointer in pointers:
            said, component = self._said(pointer)
            if self._since_3_2 and component and component != inferred and not said.get("name"):
                raise Unclear("a reference may be called what it leads to, or what the property is called")
            if said and said not in stated:
                stated.append(said)
        if len(stated) > 1:
            raise Unclear("parts of a schema that disagree")
        return stated[0] if stated else {}

    def _said(self, pointer: str, depth: int = 0) -> tuple[dict[str, Any], str]:
        """Return the `xml` of one schema, and the name of the component that it refers to. Errors: `Unclear`."""
        if pointer not in self._known:
            try:
                self._known[pointer] = self._read(pointer, depth)
            except Unclear as error:
                self._known[pointer] = error
        found = self._known[pointer]
        if isinstance(found, Unclear):
            raise found
        return found

    def _read(self, pointer: str, depth: int) -> tuple[dict[str, Any], str]:
        """Read what `_said` returns.

        A reference, and an `allOf` around nothing else, are the schema they lead to, whose `xml` they may correct. What
        a part of a larger whole says of itself is not what the whole is.
        """
        said: dict[str, Any] = {}
        component = ""
        for _ in range(_DEPTH):
            node = self._spec.resolve(pointer)
            if not isinstance(node, dict):
                return said, component
            own = node.get("xml")
            if isinstance(own, dict) and (self._siblings or "$ref" not in node):
                if "$ref" in node and self._since_3_2:
                    raise Unclear("an `xml` beside a reference")
                said = {**own, **said}
            if "$ref" in node:
                pointer = self._spec.deref({"$ref": node["$ref"]}, pointer)[1]
                match = re.search(r"#/(?:components/schemas|definitions)/([^/]+)$", pointer)
                component = unquote(match[1]).replace("~1", "/").replace("~0", "~") if match else ""
                continue
            parts = _branches(node, pointer)
            if len(parts) == 1 and not component and all(k in _AROUND or k.startswith("x-") for k in node):
                pointer = parts[0]
                continue
            if depth > _DEPTH or (not said and any(self._said(p, depth + 1)[0] for p in parts)):
                raise Unclear("an `xml` that a part of the schema says")
            return said, component
        raise Unclear("references without an end")

    def _parts(self, pointers: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the nodes that a value must satisfy together; what a schema builds on comes before itself."""
        seen: set[str] = set()
        todo = [(p, False) for p in reversed([*pointers])]
        while todo:
            at, entered = todo.pop()
            node = self._spec.resolve(at)
            if not isinstance(node, dict) or (at in seen and not entered):
                continue
            seen.add(at)
            if entered:
                yield at, node
                continue
            if self._siblings or "$ref" not in node:
                todo.append((at, True))
                todo += [(p, False) for p in reversed(_branches(node, at))]
            if "$ref" in node:
                todo.append((self._spec.deref({"$ref": node["$ref"]}, at)[1], False))


def _branches(node: Mapping[str, Any], at: str) -> list[str]:
    """Return the pointers of what must hold beside a node: its `allOf`, and a union's one branch besides null."""
    found = []
    for kind in ("allOf", "oneOf", "anyOf"):
        stated = node.get(kind)
        parts = enumerate(stated) if isinstance(stated, list) else ()
        kept = [f"{at}/{kind}/{i}" for i, part in parts if not (isinstance(part, dict) and part.get("type") == "null")]
        found += kept if kind == "allOf" or len(kept) == 1 else []
    return found


def _names(nodes: Iterable[_Node]) -> Iterator[tuple[str, str]]:
    """Yield what nodes are written as, side by side."""
    for node in nodes:
        if node.kind == "none":
            yield from _names(node.inside)
        elif node.kind == "list":
            yield "element", node.inside[0].name
        elif node.kind in ("text", "cdata"):
            yield "text", ""
        else:
            yield "attribute" if node.kind == "attribute" else "element", node.name


def _attributes(nodes: Iterable[_Node]) -> Iterator[_Node]:
    """Yield the attributes that nodes give to the element around them."""
    for node in nodes:
        if node.kind == "attribute":
            yield node
        elif node.kind == "none":
            yield from _attributes(node.inside)
