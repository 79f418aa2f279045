"""Turns the JSON Schemas of a document into shapes, from which the published schemas and the models are written.

A *shape* is what one place of the document admits as an argument, with references followed, `allOf` merged, the
dialects of OpenAPI 3.0 and 3.1 made one, and read-only properties gone. Shapes form a graph: an object's shape names
its properties' places and not their shapes, so that recursion is an ordinary cycle and depth costs no stack.

Sources: JSON Schema 2020-12 core and validation; OpenAPI 3.0.4 and 3.1.1, "Schema Object".
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, TypeGuard

from pydantic_core import SchemaError, SchemaValidator, core_schema

from ..spec import Unresolved, escape

__all__ = [
    "Contradiction",
    "Defect",
    "Document",
    "Key",
    "Place",
    "Schemas",
    "Shape",
    "checkable_pattern",
    "fits",
    "is_number",
    "same",
]

_BASE = "\0base"
"""Marks a part of a place that stands for the node there without its combinators."""

_COMBINATIONS = 64
"""How many combinations of the unions that hold at one place are told apart."""

_ROWS = 10_000
"""How many of them one argument may lead to in all."""

_WEIGHT = 200
"""Nodes above which a type that is no object gets a name, so that it is written once."""

_TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")

_SCALAR_KEYWORDS = {
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "maximum", "multipleOf"),
    "integer": ("minimum", "maximum", "multipleOf"),
    "array": ("minItems", "maxItems", "uniqueItems"),
    "object": ("minProperties", "maxProperties"),
}

_IMPLIED = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "patternProperties": "object",
    "unevaluatedProperties": "object",
    "minProperties": "object",
    "maxProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "maxItems": "array",
    "uniqueItems": "array",
    "unevaluatedItems": "array",
    "minLength": "string",
    "maxLength": "string",
    "pattern": "string",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
}

_SCALAR = {"type", "format", "description", "default", "enum", "nullable", "pattern", "minLength", "maxLength"}
"""Keywords beside which no others need a look: most parameters have only these."""

_SUBSCHEMAS = ("not", "if", "then", "else", "contains", "propertyNames")
"""Keywords that pydantic cannot say; the published schema keeps them and the server checks them there."""


class Defect(Exception):
    """A place of the document that cannot be represented faithfully; costs the operations that use it."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{reason} (at {pointer})")
        self.pointer = pointer
        self.reason = reason


class Contradiction(Defect):
    """Parts of one place that no value satisfies together."""


Flat = tuple[str, dict[str, Any]]
"""A plain node and its pointer."""

Union = tuple[str, list[str]]
"""`oneOf` or `anyOf`, and the pointers of the branches."""

Key = tuple[str, ...]
"""The places whose schemas a value must all satisfy, as JSON pointers."""


class Place(NamedTuple):
    """A use of a schema: which one, and what is said about it there."""

    key: Key
    description: str = ""
    default: Any = None


@dataclass(slots=True)
class Shape:
    """What one place admits. `type` is "" for anything, "union" when `members` decide."""

    key: Key
    type: str = ""
    nullable: bool = False
    description: str = ""
    default: Any = None
    format: str = ""
    enum: list[Any] | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    items: Place | None = None
    prefix: tuple[Place, ...] = ()
    properties: dict[str, Place] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    extra: Place | bool = True
    members: tuple[Shape | Place, ...] = ()
    exclusive: bool = False
    """A union whose members exclude each other (`oneOf`)."""
    discriminator: str = ""
    tags: tuple[tuple[str, ...], ...] = ()
    """The property that says which member of a union is meant, and the values that say so, member by member."""
    rest: dict[str, Any] = field(default_factory=dict)
    """Keywords that pydantic cannot say; their subschemas are places."""

    @property
    def is_class(self) -> bool:
        return self.type == "object" and bool(self.properties)


def checkable_pattern(pattern: str) -> bool:
    """Tell whether pydantic's engine takes `pattern`: it runs in linear time and knows no look-around."""
    if len(pattern) > 1000:
        return False
    try:
        _engine(pattern)
    except SchemaError:
        return False
    return True


def pattern_matches(pattern: str, text: str) -> bool:
    """Tell whether `text` matches a pattern that is checkable."""
    return _engine(pattern).isinstance_python(text)


def _engine(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


def _publishable_pattern(pattern: str) -> bool:
    """Tell whether `pattern` is a regular expression of ECMA-262, which is what JSON Schema's `pattern` holds."""
    if len(pattern) > 1000 or re.search(r"\(\?[imsxuP>]|\\[AZz](?![A-Za-z])|\[\[:|[*+?}]\+", pattern):
        return False
    if checkable_pattern(pattern):
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(re.sub(r"\(\?<([A-Za-z])", r"(?P<\1", pattern))
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "string"


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def same(a: Any, b: Any) -> bool:
    """JSON equality: 1 and 1.0 are equal, 1 and true are not."""
    return a == b and (isinstance(a, bool) == isinstance(b, bool))


def fits(value: Any, type_: str) -> bool:
    """Tell whether a JSON value is of a JSON Schema type."""
    name = _type_name(value)
    return name == type_ or (type_ == "number" and name == "integer")


class Document(Protocol):
    """What schemas are read from: a `Spec`, or whatever else resolves pointers and references as that does."""

    @property
    def version(self) -> str: ...

    def resolve(self, pointer: str) -> Any: ...

    def deref(self, node: Any, pointer: str) -> tuple[Any, str]: ...


class Schemas:
    """The shapes of one document, made when asked for and kept.

    What they leave out is `hidden`: readOnly in requests, writeOnly in answers.
    """

    def __init__(self, spec: Document, hidden: str = "readOnly") -> None:
        self._spec = spec
        self._hidden = hidden
        self._modern = not spec.version.startswith("3.0")
        self._nodes: dict[str, Any] = {}
        self._shapes: dict[Key, Shape] = {}
        self._scalars: dict[str, Shape] = {}
        self._open: set[Key] = set()
        self._patterns: dict[str, bool] = {}
        self._finite: set[Key] = set()
        self._self_holding: dict[Key, bool] = {}
        self._rows = 0
        self._weights: dict[Key, int] = {}

    # -- places ------------------------------

    def place(self, pointer: str) -> Place:
        """Return the use of a schema that stands at `pointer`. Errors: `Defect`."""
        node = self._node(pointer)
        note = default = None
        if isinstance(node, dict):
            note, default = node.get("description"), node.get("default")
        words = note if isinstance(note, str) else ""
        if isinstance(node, dict) and node.get("deprecated") is True:
            words = f"[DEPRECATED] {words}".rstrip()
        return Place(self._key(pointer, node), words, default)

    def anything(self, pointer: str) -> Place:
        """Return the place of a schema that is not there: it admits everything."""
        key = (f"{pointer}/schema",)
        self._shapes.setdefault(key, Shape(key))
        return Place(key)

    def invent(self, name: str, shape: Shape) -> Place:
        """Return a place that is not in the document and admits `shape`; `name` tells it from others."""
        key = (f"#/x-mcpgen/{escape(name)}",)
        self._shapes[key] = replace(shape, key=key)
        return Place(key, shape.description, shape.default)

    def drop(self, key: Key, names: Iterable[str]) -> None:
        """Take properties out of an object; what was published of it before does not change."""
        shape = self.at(key)
        kept = {n: p for n, p in shape.properties.items() if n not in set(names)}
        self._shapes[key] = replace(shape, properties=kept, required=shape.required & kept.keys())

    def shape(self, place: Place) -> Shape:
        """Return what `place` admits, with what is said there. Errors: `Defect`."""
        known = self.at(place.key)
        if place.description or place.default is not None:
            return replace(
                known,
                description=place.description or known.description,
                default=known.default if place.default is None else place.default,
            )
        return known

    def at(self, key: Key) -> Shape:
        """Return what `key` admits. Errors: `Defect`."""
        known = self._shapes.get(key)
        if known is None:
            if key in self._open:
                raise Contradiction(key[0].removesuffix(_BASE), "the schema consists of itself")
            self._open.add(key)
            try:
                known = self._shapes[key] = self._make(key)
            finally:
                self._open.discard(key)
        return known

    def _node(self, pointer: str) -> Any:
        pointer = pointer.removesuffix(_BASE)
        if pointer not in self._nodes:
            try:
                self._nodes[pointer] = self._spec.resolve(pointer)
            except Unresolved as error:
                raise Defect(error.pointer, error.reason) from error
        return self._nodes[pointer]

    def _key(self, pointer: str, node: Any) -> Key:
        """Return the key of a node; one that adds nothing to the schema it wraps or refers to is that schema."""
        if not isinstance(node, dict) or node.get("nullable") is True or node.get("x-nullable") is True:
            return (pointer,)
        if "$ref" in node:
            alone = not (self._modern and self._constrains(node, but=("$ref",)))
            return (self._target(node["$ref"], pointer),) if alone else (pointer,)
        for kind in ("allOf", "oneOf", "anyOf"):
            parts = node.get(kind)
            if isinstance(parts, list) and len(parts) == 1 and not self._constrains(node, but=(kind,)):
                return self._key(f"{pointer}/{kind}/0", parts[0])
        return (pointer,)

    @staticmethod
    def _constrains(node: Mapping[str, Any], but: tuple[str, ...] = ()) -> bool:
        inert = {"description", "title", "example", "examples", "default", "deprecated", "externalDocs", "xml"}
        inert |= {
            "$comment",
            "$id",
            "$schema",
            "$anchor",
            "$dynamicAnchor",
            "$defs",
            "definitions",
            "discriminator",
            "nullable",
        }
        return any(k not in inert and k not in but and not k.startswith("x-") for k in node)

    # -- making a shape ------------------------------

    def _make(self, key: Key) -> Shape:
        flat, unions, nullable = self._flatten(key)
        alike = repr(flat[0][1]) if len(flat) == 1 and not flat[0][1].keys() - _SCALAR else ""
        if alike in self._scalars:  # a page number is told by hundreds of operations
            return replace(self._scalars[alike], key=key)
        shape = self._merge(key, flat)
        if nullable is not None:
            shape.nullable = nullable and shape.type != "null"
        if alike:
            self._scalars[alike] = shape
        choices = [u for u in unions if not self._only_constrains(u[1])]
        for kind, branches in (u for u in unions if u not in choices):
            shape.rest.setdefault("allOf", []).append({kind: [self.place(b) for b in branches]})
            shape.type = shape.type or "object"
        return self._union(key, shape, flat, choices) if choices else shape

    def _flatten(self, key: Key) -> tuple[list[Flat], list[Union], bool | None]:
        """Return the plain nodes of `key` (references followed, `allOf` opened), its unions, and whether null fits.

        The last is None when no part has an opinion of its own.
        """
        flat: list[Flat] = []
        unions: list[Union] = []
        opinions: list[bool] = []
        seen: set[str] = set()
        todo: list[tuple[str, tuple[str, ...]]] = [(pointer, ()) for pointer in reversed(key)]
        while todo:
            pointer, above = todo.pop()
            bare = pointer.endswith(_BASE)
            at = pointer.removesuffix(_BASE)
            if at in above:
                raise Contradiction(at, "`allOf` and references lead back to this schema itself")
            if pointer in seen:
                continue
            seen.add(pointer)
            node = self._node(at)
            if node is True:
                continue
            if node is False:
                raise Contradiction(at, "the schema `false` admits nothing")
            if not isinstance(node, dict):
                raise Defect(at, f"a schema must be an object, this is {json.dumps(node)[:40]}")
            if "$ref" in node and not bare:
                todo.append((self._target(node["$ref"], at), (*above, at)))
                if not self._modern:
                    continue
            if self._modern and "$dynamicRef" in node and not bare:
                todo.append((self._target(node["$dynamicRef"], at), (*above, at)))
            parts = node.get("allOf")
            if isinstance(parts, list) and not bare:
                todo += [(f"{at}/allOf/{i}", (*above, at)) for i in reversed(range(len(parts)))]
            if node.get("nullable") is True or node.get("x-nullable") is True:
                opinions.append(True)
            elif isinstance(node.get("type"), str) and node["type"] != "null":
                opinions.append(False)
            flat.append((at, node))
            for kind in () if bare else ("oneOf", "anyOf"):
                branches = node.get(kind)
                if isinstance(branches, list) and branches:
                    unions.append((kind, [f"{at}/{kind}/{i}" for i in range(len(branches))]))
        if flat and flat[0][0] == key[0] and flat[0][1].get("nullable") is True:
            return flat, unions, True  # `nullable` beside `allOf` speaks for the whole
        return flat, unions, all(opinions) if opinions else None

    def _target(self, reference: Any, at: str) -> str:
        """Return what a reference leads to; a dynamic one must lead to one place whatever the way (core, 8.2.3.2)."""
        try:
            return self._spec.deref({"$ref": reference}, at)[1]
        except Unresolved as error:
            raise Defect(error.pointer, error.reason) from error

    def _only_constrains(self, branches: list[str]) -> bool:
        """Tell whether branches say only which properties must be there: a constraint, not a choice of shapes."""
        for branch in branches:
            node = self._node(branch)
            if not isinstance(node, dict) or ("required" not in node and "not" not in node):
                return False
            if self._constrains(node, but=("required", "not", "type")) or node.get("type", "object") != "object":
                return False
        return True

    def _merge(self, key: Key, flat: list[Flat]) -> Shape:
        """Return the conjunction of plain nodes, combinators aside."""
        shape = Shape(key)
        types: set[str] | None = None
        implied = ""
        for at, node in flat:
            if not shape.description and isinstance(node.get("description"), str):
                shape.description = node["description"]
            if shape.default is None:
                shape.default = node.get("default")
            if not shape.format and isinstance(node.get("format"), str):
                shape.format = node["format"]
            elif not shape.format and node.get("contentEncoding") == "base64":
                shape.format = "byte"  # how 3.0 says it
            own = self._types(at, node)
            if own is not None:
                types = own if types is None else _meet(types, own)
            if not implied:
                implied = next((t for k, t in _IMPLIED.items() if k in node), "")
            self._limits(shape, node)
            self._enum(shape, at, node)
        shape.default = flat[0][1].get("default", shape.default) if flat else None
        if any(node.keys() - _SCALAR for _, node in flat):
            self._object(shape, flat)
            self._array(shape, flat)
            self._rest(shape, flat)
        if types is not None and not types:
            raise Contradiction(flat[0][0], "the types of its parts exclude each other")
        return self._typed(shape, types, implied, flat[0][0] if flat else key[0])

    def _types(self, at: str, node: Mapping[str, Any]) -> set[str] | None:
        stated = node.get("type")
        if stated is None:
            return None
        names = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else [stated]
        if names == ["file"]:
            names = ["string"]
        wrong = [n for n in names if n not in _TYPES]
        if wrong or not names:
            raise Defect(f"{at}/type", f"{json.dumps(stated)[:60]} is no JSON Schema type")
        types = set(names)
        if node.get("nullable") is True or node.get("x-nullable") is True:
            types.add("null")
        return types

    def _limits(self, shape: Shape, node: Mapping[str, Any]) -> None:
        """Tighten the limits of `shape` by those of `node`; exclusive bounds become the next inclusive ones."""
        limits = shape.limits

        def tighten(name: str, value: float, lower: bool) -> None:
            old = limits.get(name)
            limits[name] = value if old is None else (max(old, value) if lower else min(old, value))

        for name in ("minLength", "minItems", "minProperties", "maxLength", "maxItems", "maxProperties"):
            value = node.get(name)
            if is_number(value) and value >= 0 and value == int(value):
                tighten(name, int(value), name.startswith("min"))
        whole = node.get("type") == "integer"
        for name, exclusive, up in (("minimum", "exclusiveMinimum", True), ("maximum", "exclusiveMaximum", False)):
            bound, strict = node.get(name), node.get(exclusive)
            if is_number(bound) and math.isfinite(bound):
                tighten(name, _beyond(bound, up, whole) if strict is True else bound, up)
            if is_number(strict) and math.isfinite(strict):
                tighten(name, _beyond(strict, up, whole), up)
        step = node.get("multipleOf")
        if is_number(step) and step > 0:
            old = limits.get("multipleOf", step)
            limits["multipleOf"] = math.lcm(step, old) if isinstance(step, int) and isinstance(old, int) else step
        if node.get("uniqueItems") is True:
            limits["uniqueItems"] = True
        pattern = node.get("pattern")
        if isinstance(pattern, str) and self._pattern(pattern):
            if limits.get("pattern", pattern) != pattern:
                shape.rest.setdefault("allOf", []).append({"pattern": pattern})
            else:
                limits["pattern"] = pattern

    def _pattern(self, pattern: str) -> bool:
        if pattern not in self._patterns:
            self._patterns[pattern] = _publishable_pattern(pattern)
        return self._patterns[pattern]

    @staticmethod
    def _enum(shape: Shape, at: str, node: Mapping[str, Any]) -> None:
        stated = node.get("enum")
        values = list(stated) if isinstance(stated, list) and stated else None
        if "const" in node:
            const = node["const"]
            values = [const] if values is None else [v for v in values if same(v, const)]
        if values is None:
            return
        if shape.enum is not None:
            values = [v for v in shape.enum if any(same(v, w) for w in values)]
        unique: list[Any] = []
        seen: set[str] = set()
        for value in values:
            text = json.dumps(value, sort_keys=True)
            if text not in seen:
                seen.add(text)
                unique.append(value)
        if not unique:
            raise Contradiction(at, "no value is left in its `enum`")
        shape.enum = unique

    def _object(self, shape: Shape, flat: list[Flat]) -> None:
        parts: dict[str, list[str]] = {}
        writable: set[str] = set()
        closed: list[tuple[str, set[str]]] = []
        extras: list[str] = []
        required: set[str] = set()
        for at, node in flat:
            properties = node.get("properties")
            names = set()
            read_only = set()
            if isinstance(properties, dict):
                for name in properties:
                    pointer = f"{at}/properties/{escape(name)}"
                    parts.setdefault(name, []).append(pointer)
                    names.add(name)
                    if self._read_only(pointer):
                        read_only.add(name)
            # A part's `required` does not ask for what the same part calls read-only (OpenAPI 3.0.4, "readOnly"), but
            # it does for what only another part calls so: a reference asks for the `id` of the resource it extends.
            writable |= names - read_only
            if isinstance(node.get("required"), list):
                required |= {r for r in node["required"] if isinstance(r, str) and r not in read_only}
            more = node.get("additionalProperties", node.get("unevaluatedProperties", True))
            if more is False and isinstance(node.get("patternProperties"), dict):
                shape.extra = False  # what the patterns admit is for the check of the published schema
            elif more is False:
                closed.append((at, names))
            elif isinstance(more, dict) and more:
                where = "additionalProperties" if "additionalProperties" in node else "unevaluatedProperties"
                extras.append(f"{at}/{where}")
        for at, names in closed:
            # `additionalProperties: false` in one part of an allOf forbids what the others declare
            if "unevaluatedProperties" in self._node(at):
                continue
            for name in [n for n in parts if n not in names]:
                if name in required:
                    raise Contradiction(at, f"`{name}` is required by one part of the schema and forbidden by another")
                del parts[name]
        for name in sorted(parts):
            if name in writable or name in required:
                if any(self._node(p) is False for p in parts[name]):
                    if name in required:
                        raise Contradiction(parts[name][0], f"`{name}` is required but not allowed")
                    continue
                shape.properties[name] = self._conjunction(parts[name])
        shape.required = frozenset(required)
        if closed:
            shape.extra = False
            missing = required - shape.properties.keys()
            if missing:
                raise Contradiction(closed[0][0], f"`{min(missing)}` is required but not allowed")
        elif extras:
            shape.extra = self._conjunction(extras)

    def _conjunction(self, pointers: list[str]) -> Place:
        """Return the place that satisfies all of `pointers`."""
        keys: list[str] = []
        note = ""
        default = None
        for pointer in pointers:
            if self._node(pointer) is None:
                raise Defect(pointer, "a schema must be an object, this is null")
            place = self.place(pointer)
            keys += [k for k in place.key if k not in keys]
            note = note or place.description
            default = place.default if default is None else default
        return Place(tuple(keys), note, default)

    def _read_only(self, pointer: str) -> bool:
        """Tell whether a property is read-only, by itself or by what it refers to."""
        node = self._node(pointer)
        if not isinstance(node, dict):
            return False
        if node.get(self._hidden) is True:
            return True
        target = self._node(self._key(pointer, node)[0])
        return isinstance(target, dict) and target.get(self._hidden) is True

    def _array(self, shape: Shape, flat: list[Flat]) -> None:
        if any(node.get("items", 0) is None for _, node in flat):
            raise Defect(f"{flat[0][0]}/items", "a schema must be an object, this is null")
        items = []
        for at, node in flat:
            stated = node.get("prefixItems")
            if isinstance(stated, list) and not shape.prefix:
                shape.prefix = tuple(self.place(f"{at}/prefixItems/{i}") for i in range(len(stated)))
            # What no other keyword speaks of is what `items` speaks of, but for a `contains` (2020-12 core, 11.2).
            name = "items" if "items" in node or "contains" in node else "unevaluatedItems"
            if node.get(name) is False:
                known = len(stated) if isinstance(stated, list) else 0
                shape.limits["maxItems"] = min(known, shape.limits.get("maxItems", known))
            elif isinstance(node.get(name), dict):
                items.append(f"{at}/{name}")
        if items:
            shape.items = self._conjunction(items)

    def _rest(self, shape: Shape, flat: list[Flat]) -> None:
        for at, node in flat:
            for name in _SUBSCHEMAS:
                if isinstance(node.get(name), dict | bool) and name not in shape.rest:
                    shape.rest[name] = self.place(f"{at}/{name}")
            for name in ("patternProperties", "dependentSchemas"):
                if isinstance(node.get(name), dict):
                    chosen = {n: self.place(f"{at}/{name}/{escape(n)}") for n in sorted(node[name])}
                    if name == "patternProperties":
                        chosen = {n: p for n, p in chosen.items() if self._pattern(n)}
                    if chosen:
                        shape.rest.setdefault(name, chosen)
            needs = node.get("dependentRequired")
            if isinstance(needs, dict):
                known = {k: sorted(map(str, v)) for k, v in sorted(needs.items()) if isinstance(v, list)}
                shape.rest.setdefault("dependentRequired", known)
            for name in ("minContains", "maxContains"):
                if isinstance(node.get(name), int):
                    shape.rest.setdefault(name, node[name])

    def _typed(self, shape: Shape, types: set[str] | None, implied: str, at: str) -> Shape:
        """Give `shape` its type, and keep of its limits those that speak about that type."""
        if shape.enum is not None:
            if types is not None:
                fitting = [v for v in shape.enum if any(fits(v, t) for t in types)]
                if not any(v is not None for v in fitting) and "null" not in types:
                    raise Contradiction(at, f"no value of its `enum` is of its type {'/'.join(sorted(types))}")
                shape.enum = fitting
            kinds = {_type_name(v) for v in shape.enum if v is not None}
            shape.nullable = None in shape.enum or bool(types and "null" in types)
            shape.enum = [v for v in shape.enum if v is not None]
            if not shape.enum:
                return replace(shape, type="null", enum=None, nullable=False)
            if "integer" in kinds and types is not None and "number" in types:
                kinds = (kinds - {"integer"}) | {"number"}  # 1e20 is whole, and a number all the same
            shape.type = kinds.pop() if len(kinds) == 1 else "number" if kinds == {"integer", "number"} else ""
            if shape.type in ("object", "array"):
                shape.type = ""
            shape.limits = {}
            return shape
        if types is None:
            types = {implied} if implied else set()
        shape.nullable = "null" in types and len(types) > 1
        real = [t for t in _TYPES if t in types and (t != "null" or len(types) == 1)]
        if len(real) > 1 and set(real) != {"integer", "number"}:
            members = []
            for name in real:
                one = replace(shape, type=name, nullable=False, description="", default=None)
                one.rest = {k: v for k, v in shape.rest.items() if k not in ("allOf", "not", "if", "then", "else")}
                one.limits = {k: v for k, v in shape.limits.items() if k in _SCALAR_KEYWORDS.get(name, ())}
                if name != "object":
                    one = replace(one, properties={}, required=frozenset(), extra=True, rest={})
                members.append(one)
            whole = Shape(shape.key, "union", shape.nullable, shape.description, shape.default)
            general = {k: v for k, v in shape.rest.items() if k in ("allOf", "not", "if", "then", "else")}
            return replace(whole, members=tuple(members), rest=general)
        shape.type = "number" if len(real) > 1 else real[0] if real else ""
        shape.limits = {k: v for k, v in shape.limits.items() if k in _SCALAR_KEYWORDS.get(shape.type, ())}
        if shape.type == "integer":
            for name, rounded in (("minimum", math.ceil), ("maximum", math.floor)):
                if isinstance(shape.limits.get(name), float):
                    shape.limits[name] = rounded(shape.limits[name])
        return shape

    def _union(
        self,
        key: Key,
        base: Shape,
        flat: list[Flat],
        unions: list[Union],
    ) -> Shape:
        """Spread the base over the branches of its unions."""
        loose = all(self._inert(node) for _, node in flat)
        stem: Key = () if loose else tuple(at + _BASE for at, _ in flat)
        count = math.prod(len(branches) for _, branches in unions)
        self._rows += count
        if self._rows > _ROWS:
            raise Defect(unions[0][1][0], f"its `oneOf` and `anyOf` multiply to more than {_ROWS:,} combinations")
        if count > _COMBINATIONS and len(unions) > 1:
            raise Defect(unions[0][1][0], f"{count} combinations of `oneOf`/`anyOf` are more than can be told apart")
        rows: list[Key] = [stem]
        for _, branches in unions:
            rows = [row + self.place(b).key for row in rows for b in branches]
        discriminator, values = self._discriminator(unions)
        members: list[Shape | Place] = []
        tags: list[tuple[str, ...]] = []
        nullable = base.nullable
        failure: Contradiction | None = None
        kept: set[Key] = set()
        for index, row in enumerate(rows):
            row = tuple(dict.fromkeys(row))
            try:
                if row in self._open:
                    continue  # a union that holds itself adds nothing
                note = self._node(row[-1].removesuffix(_BASE))
                shape = self.at(row)
            except Contradiction as error:
                failure = error
                continue
            if shape.type == "null":
                nullable = True
                continue
            if not loose and shape.nullable and not base.nullable:
                shape = replace(shape, nullable=False)
            nullable = nullable or shape.nullable
            if row not in kept:
                kept.add(row)
                words = note.get("description", "") if isinstance(note, dict) else ""
                members.append(Place(row, words if isinstance(words, str) else ""))
                tags.append(values[index] if discriminator else ())
        if not members:
            if nullable:
                return Shape(key, "null", description=base.description)
            raise failure or Contradiction(unions[0][1][0], "none of its branches can be satisfied")
        if len(members) == 1 and isinstance(members[0], Place) and not self.at(members[0].key).is_class:
            only = self.at(members[0].key)
            return replace(
                only,
                nullable=nullable,
                description=base.description or only.description,
                default=only.default if base.default is None else base.default,
            )
        exclusive = any(kind == "oneOf" for kind, _ in unions)
        union = Shape(key, "union", nullable, base.description, base.default)
        return replace(
            union, members=tuple(members), exclusive=exclusive, discriminator=discriminator, tags=tuple(tags)
        )

    def _discriminator(self, unions: list[Union]) -> tuple[str, list[tuple[str, ...]]]:
        """Return the property that tells the branches of a union apart, and its values branch by branch.

        A mapping gives the values, else the name of the branch's component (OpenAPI 3.1.1, "Discriminator Object").
        """
        branches = unions[0][1]
        node = self._node(branches[0].rsplit("/", 2)[0])
        stated = node.get("discriminator") if len(unions) == 1 else None
        name = stated.get("propertyName") if isinstance(stated, dict) else None
        if not isinstance(name, str):
            return "", []
        mapping = stated.get("mapping") if isinstance(stated, dict) else None
        found: list[tuple[str, ...]] = []
        for branch in branches:
            ref = self._node(branch).get("$ref") if isinstance(self._node(branch), dict) else None
            if not isinstance(ref, str):
                found.append(())
                continue
            component = ref.rpartition("/")[2]
            said = [v for v, r in mapping.items() if r in (ref, component)] if isinstance(mapping, dict) else []
            found.append(tuple(sorted(map(str, said))) or (component,))
        return name, found

    def _inert(self, node: Mapping[str, Any]) -> bool:
        """Tell whether a node, its combinators aside, admits everything."""
        combinators = ("allOf", "anyOf", "oneOf", "$ref", "$dynamicRef")
        if node.get("type") == "object" and not self._constrains(node, but=(*combinators, "type")):
            return all(self._object_branches(node.get(kind)) for kind in ("anyOf", "oneOf") if kind in node)
        return not self._constrains(node, but=combinators)

    def _object_branches(self, branches: Any) -> bool:
        return isinstance(branches, list) and all(
            isinstance(b, dict) and ("$ref" in b or "properties" in b or b.get("type") == "object") for b in branches
        )

    # -- the graph ------------------------------

    def holds_itself(self, key: Key) -> bool:
        """Tell whether `key` is reached from itself without an object class in between: then it needs a name."""
        if key not in self._self_holding:
            seen: set[Key] = set()
            todo = list(self.children(self.at(key)))
            found = False
            while todo and not found:
                inner = todo.pop().key
                found = inner == key
                if inner not in seen:
                    seen.add(inner)
                    shape = self.at(inner)
                    todo += () if shape.is_class else self.children(shape)
            self._self_holding[key] = found
        return self._self_holding[key]

    def needs_name(self, key: Key) -> bool:
        """Tell whether `key` gets a class: objects with properties do, types that hold themselves, and heavy ones."""
        shape = self.at(key)
        if shape.is_class:
            return True
        return shape.type in ("array", "union", "object") and (self.holds_itself(key) or self._weight(key) > _WEIGHT)

    def _weight(self, key: Key) -> int:
        """Return the number of nodes of `key` written out; what has a name of its own counts as one."""
        todo = [key]
        entered: set[Key] = set()
        while todo:
            at = todo[-1]
            inner = [p.key for p in self.children(self.at(at))]
            if at not in self._weights and at not in entered:
                entered.add(at)
                todo += [k for k in inner if k not in self._weights and k not in entered and not self.at(k).is_class]
                continue
            if at not in self._weights:
                weights = [1 if self.at(k).is_class else self._weights.get(k, 1) for k in inner]
                self._weights[at] = 1 + sum(1 if w > _WEIGHT else w for w in weights)
            todo.pop()
        return self._weights[key]

    def endless(self, place: Place) -> bool:
        """Tell whether every value of `place` would have to hold a further one without end: none exists.

        Errors: `Defect`, for anything that `place` leads to.
        """
        if place.key in self._finite:
            return False
        self._rows = 0
        reached = self.reachable([place], but=self._finite)
        grew = True
        while grew and place.key not in self._finite:
            ending = [k for k, s in reached.items() if k not in self._finite and self._ends(s)]
            self._finite.update(ending)
            grew = bool(ending)
        return place.key not in self._finite

    def _ends(self, shape: Shape | Place) -> bool:
        """Tell whether some value of `shape` holds only values that are known to end."""
        if isinstance(shape, Place):
            return shape.key in self._finite
        if shape.nullable:
            return True
        if shape.type == "union":
            return any(self._ends(m) for m in shape.members)
        if shape.type == "array":
            return not shape.limits.get("minItems") or shape.items is None or shape.items.key in self._finite
        return all(shape.properties[n].key in self._finite for n in shape.required if n in shape.properties)

    def children(self, shape: Shape) -> Iterator[Place]:
        """Yield the places that `shape` names, subschemas of keywords aside."""
        yield from shape.properties.values()
        yield from shape.prefix
        if shape.items is not None:
            yield shape.items
        if isinstance(shape.extra, Place):
            yield shape.extra
        for member in shape.members:
            if isinstance(member, Place):
                yield member
            else:
                yield from self.children(member)

    def aside(self, shape: Shape) -> Iterator[Place]:
        """Yield the places that only keywords lead to which Python's types do not know."""
        yield from _places(shape.rest)

    def reachable(
        self, places: Iterable[Place], *, typed_only: bool = False, but: Container[Key] = ()
    ) -> dict[Key, Shape]:
        """Return every shape that `places` lead to, themselves included. Errors: `Defect`.

        `typed_only` leaves out those that only keywords lead to which Python's types do not know; those of `but`, and
        what they lead to, are left out too.
        """
        found: dict[Key, Shape] = {}
        todo = list(places)
        while todo:
            place = todo.pop()
            if place.key not in found and place.key not in but:
                shape = self.at(place.key)
                found[place.key] = shape
                todo += self.children(shape)
                if not typed_only:
                    todo += self.aside(shape)
        return found


def _places(value: Any) -> list[Place]:
    if isinstance(value, Place):
        return [value]
    if isinstance(value, dict):
        return [p for v in value.values() for p in _places(v)]
    return [p for v in value for p in _places(v)] if isinstance(value, list) else []


def _beyond(bound: float, up: bool, whole: bool) -> float:
    """Return the nearest inclusive bound beyond an exclusive one: the next integer, or the next double."""
    if whole:
        return math.floor(bound) + 1 if up else math.ceil(bound) - 1
    return math.nextafter(bound, math.inf if up else -math.inf)


def _meet(a: set[str], b: set[str]) -> set[str]:
    both = a & b
    if "integer" in a | b and "number" in a | b and "number" not in both:
        both.add("integer")
    return both
