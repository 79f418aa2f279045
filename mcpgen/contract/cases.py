"""Turns a JSON Schema into cases: for each type of JSON value, the ways in which a value of it is valid.

A keyword speaks of values of one type, so a schema falls apart by type, and what was said in different keywords comes
out the same: a type array, an `anyOf` of plain types, a nullable form; `const`, an enum of one value, an `anyOf` of
constants; references and `allOf`, which are merged. After Habib, Shinnar, Hirzel and Pradel, "Finding data
compatibility bugs with JSON subschema checks" (2021). Source of the rules: JSON Schema 2020-12, core and validation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations
from typing import Any, NamedTuple
from urllib.parse import unquote

__all__ = [
    "ANNOTATIONS",
    "ANY_NAME",
    "ANY_OBJECT",
    "TYPES",
    "Bound",
    "Case",
    "Cell",
    "Conj",
    "Fields",
    "Node",
    "Rules",
    "Side",
    "Tuple",
    "admits",
    "canonical",
    "common_step",
    "shown",
    "stepped",
    "whole",
]

TYPES = ("null", "boolean", "number", "string", "array", "object")
"""An integer is a number that is a multiple of 1."""

Conj = tuple[Any, ...]
"""Schemas that a value must all satisfy; none: any value does."""

Bound = tuple[Fraction, bool]
"""A number, and whether it is itself excluded."""

Rules = dict[str, Any]
"""What holds for the values of one type; a key that is missing says nothing.

values: the list of those that are valid. multiple: `Fraction`. low, high: `Bound`. minLength … maxProperties: int.
patterns, formats, encodings, required: sorted tuples. unique: true. items: `Tuple`. contains: a list of (schema,
least, most). fields: a list of `Fields`, all of which hold. names: what a property may be called. dependent:
{property: names required beside it}. dependentSchemas: {property: schema}.
"""

_DEEPEST = 30
"""How deep combinators are read within one another, with nothing between that leads to another value."""

_VARIANTS = 64
"""How many members a union may have for its shape to be changed, or to be shown disjoint."""

_TOLD_APART = 200
"""How many members a `oneOf` may have for all pairs of them to be looked at."""

_FLAT = 1_000
"""How many members of unions within unions are members of the outer one: references double them at each step."""

ANNOTATIONS = {
    "title": "title-changed",
    "description": "description-changed",
    "default": "default-changed",
    "example": "examples-changed",
    "examples": "examples-changed",
    "deprecated": "deprecated-changed",
    "readOnly": "access-changed",
    "writeOnly": "access-changed",
    "discriminator": "annotation-changed",
    "externalDocs": "annotation-changed",
    "xml": "annotation-changed",
}

_IGNORED = {"$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "$dynamicAnchor", "$vocabulary"}

ANY_NAME: Conj = ({"type": "string"},)
ANY_OBJECT: Conj = ({"type": "object"},)
"""What holds anyhow for the name of a property, and for a value that has properties."""

_SIZES = {
    "minLength": ("string", max),
    "maxLength": ("string", min),
    "minItems": ("array", max),
    "maxItems": ("array", min),
    "minProperties": ("object", max),
    "maxProperties": ("object", min),
}

_BOUNDS = {
    "minimum": ("low", False),
    "exclusiveMinimum": ("low", True),
    "maximum": ("high", False),
    "exclusiveMaximum": ("high", True),
}


class Fields(NamedTuple):
    """What is said together about the properties of an object: `extra` is for those that the others do not name."""

    properties: Mapping[str, Conj]
    patterns: Mapping[str, Conj]
    extra: Conj

    def of(self, name: str) -> Conj:
        """Return the schema of a property where no pattern is at hand."""
        return self.properties.get(name, self.extra)


class Tuple(NamedTuple):
    """What is said about the items of an array: the first ones one by one, then all others."""

    prefix: tuple[Conj, ...]
    rest: Conj

    def at(self, index: int) -> Conj:
        return self.prefix[index] if index < len(self.prefix) else self.rest


@dataclass(slots=True, eq=False)
class Case:
    """One way for a value of `type` to be valid: `rules`, a member of each of `unions`, and all `others`."""

    type: str
    rules: Rules = field(default_factory=dict)
    unions: list[Cell] = field(default_factory=list)
    others: list[tuple[str, Any]] = field(default_factory=list)
    """not: a schema; if: three; unevaluated: the schema that says so; keyword: one that is not understood; unread."""
    member: Conj | None = None
    """The member of a union that this was; empty for what several were."""
    told: dict[str, str] = field(default_factory=dict)
    """What is said about single values, by their canonical text."""
    _keys: frozenset[str] | None = None

    @property
    def keys(self) -> frozenset[str]:
        """The canonical texts of the values that are listed."""
        if self._keys is None:
            self._keys = frozenset(map(canonical, self.rules.get("values", ())))
        return self._keys

    @property
    def free(self) -> bool:
        return not (self.rules or self.unions or self.others)

    @property
    def listed(self) -> bool:
        """Whether the values are listed, and nothing else is said."""
        return self.rules.keys() == {"values"} and not (self.unions or self.others)


@dataclass(slots=True, eq=False)
class Cell:
    """The cases of one type: a valid value fits one of them at least; exactly one if they are `exclusive`."""

    cases: list[Case]
    exclusive: bool = False
    _spread: Cell | None = None

    @property
    def free(self) -> bool:
        return not self.exclusive and any(c.free for c in self.cases)

    @property
    def listed(self) -> bool:
        return all(c.listed for c in self.cases)

    def spread(self) -> Cell:
        """Return the same with unions inside of cases made cases of their own, where that is one step."""
        if self._spread is None:
            self._spread = self._made_of_unions()
        return self._spread

    def _made_of_unions(self) -> Cell:
        inner = [c.unions[0] if len(c.unions) == 1 else None for c in self.cases]
        exclusive = self.exclusive or any(u is not None and u.exclusive for u in inner)
        count = sum(1 if u is None else len(u.cases) for u in inner)
        if count > _VARIANTS or (exclusive and len(self.cases) > 1):
            return self
        made: list[Case] = []
        for case, union in zip(self.cases, inner, strict=True):
            if union is None:
                made.append(case)
                continue
            base = Case(case.type, case.rules, [], case.others, None, case.told)
            made += [m for u in union.cases if (m := _merged(base, u)) is not None]
        return Cell(made, exclusive and len(made) > 1) if made else self


@dataclass(slots=True, eq=False)
class Node:
    """A schema by type; a type without a cell is not valid."""

    cells: dict[str, Cell]

    @property
    def anything(self) -> bool:
        return len(self.cells) == len(TYPES) and all(c.free for c in self.cells.values())

    @property
    def members(self) -> list[Case]:
        """The cases, but null, that were members of a union."""
        return [c for t, cell in self.cells.items() if t != "null" for c in cell.cases if c.member is not None]

    @property
    def is_union(self) -> bool:
        """Whether there are several members, which have to be told apart by name."""
        return len({() if c.listed else tuple(map(id, c.member or ())) for c in self.members}) > 1


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


def canonical(value: Any) -> str:
    """Return a text that equal JSON values share: 1 and 1.0 are equal, 1 and true are not (core, 4.2.2)."""
    return _ENCODER.encode(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def shown(value: Any, limit: int = 60) -> str:
    """Return a value as JSON on one line, cut when long, with what does not print escaped."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _united(one: Conj, other: Conj) -> Conj:
    """Return the schemas of both, each once."""
    return (*one, *(s for s in other if not any(s is o for o in one))) if one and other else one or other


class Side:
    """One schema and all below it, read as cases: each place once, when it is asked for."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._nodes: dict[tuple[int, ...], Node] = {}
        self._open: set[tuple[int, ...]] = set()
        self._peeks: dict[tuple[int, ...], tuple[set[str] | None, set[str] | None]] = {}
        self._anchors: dict[str, Any] | None = None

    def node(self, conj: Conj) -> Node:
        """Return the cases of the schemas together. A schema that is a member of itself adds nothing to it."""
        key = tuple(map(id, conj))
        if (known := self._nodes.get(key)) is not None:
            return known
        if key in self._open:
            return Node({})
        if len(self._open) >= _DEEPEST:
            return Node({t: Cell([Case(t, others=[("unread", None)])]) for t in TYPES})
        self._open.add(key)
        parts = [self._own(part) for part in self._parts(conj)]
        while len(parts) > 1:
            # two by two, since each step copies what there is
            pairs = zip(parts[::2], [*parts[1::2], {t: Case(t) for t in TYPES}], strict=False)
            parts = [{t: m for t in a if t in b and (m := _merged(a[t], b[t])) is not None} for a, b in pairs]
        cases = parts[0] if parts else {t: Case(t) for t in TYPES}
        cases = {t: settled for t, case in cases.items() if (settled := _settled(case)) is not None}
        self._open.discard(key)
        node = self._nodes[key] = Node({t: _hoisted(c) for t, c in cases.items()})
        return node

    def key(self, conj: Conj) -> tuple[int, ...]:
        """Return what two places share that use the same components, whatever is told of them there."""
        found = []
        for schema in conj:
            for _ in range(_DEEPEST):
                if not isinstance(schema, dict) or "$ref" not in schema:
                    break
                target = self.resolve(schema["$ref"])
                if target is None or not all(k in ANNOTATIONS or k in _IGNORED or k == "$ref" for k in schema):
                    break
                schema = target
            found.append(id(schema))
        return tuple(found)

    def refers(self, conj: Conj) -> bool:
        """Tell whether a place is only the use of a component."""
        return len(conj) == 1 and self.key(conj) != (id(conj[0]),)

    def stands(self, case: Case) -> bool:
        """Tell whether a case is all that the member of a union admits."""
        cells = list(self.node(case.member or ()).cells.values())
        if len(cells) != 1 or len(cells[0].cases) != 1:
            return False
        only = cells[0].cases[0]
        return only.rules is case.rules and only.unions is case.unions and only.others is case.others

    def never(self, conj: Conj) -> bool:
        return bool(conj) and not self.node(conj).cells

    def anything(self, conj: Conj) -> bool:
        return not conj or self.node(conj).anything

    def resolve(self, reference: Any) -> Any:
        """Return the schema that a reference within this one means, or None."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        found = self.root
        if reference[1:2] not in ("", "/"):
            found = self._anchored().get(reference[1:])
        for step in reference[2:].split("/") if reference[1:2] == "/" else ():
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(step)] if step.isdecimal() and int(step) < len(found) else None
            else:
                found = found.get(step) if isinstance(found, dict) else None
        return found if isinstance(found, dict | bool) else None

    def _anchored(self) -> dict[str, Any]:
        if self._anchors is None:
            self._anchors = {}
            todo = [self.root]
            for value in todo:
                if isinstance(value, dict):
                    for name in (value.get("$anchor"), value.get("$dynamicAnchor")):
                        if isinstance(name, str):
                            self._anchors.setdefault(name, value)
                    todo += value.values()
                elif isinstance(value, list):
                    todo += value
        return self._anchors

    def words(self, conj: Conj) -> dict[str, Any]:
        """Return the annotations that a reader finds at a place: its own, those of the parts of an `allOf`, and for
        what is not said there those of what it refers to or is the nullable form of. Several texts are joined."""
        found: dict[str, list[Any]] = {}
        seen: set[int] = set()
        level = [s for s in conj if isinstance(s, dict)]
        while level:
            nearer = set(found)
            below: list[Any] = []
            for schema in level:
                if id(schema) in seen:
                    continue
                seen.add(id(schema))
                for key, value in schema.items():
                    if (key in ANNOTATIONS or key.startswith("x-")) and key not in nearer:
                        known = found.setdefault(key, [])
                        if not any(canonical(value) == canonical(k) for k in known):
                            known.append(value)
                parts = schema.get("allOf")
                level += [s for s in parts if isinstance(s, dict)] if isinstance(parts, list) else ()
                below += [self.resolve(schema[k]) for k in ("$ref", "$dynamicRef") if k in schema]
                for union in (schema.get("anyOf"), schema.get("oneOf")):
                    members = [m for m in union if m != {"type": "null"}] if isinstance(union, list) else []
                    below += members if len(members) == 1 else ()
            level = [s for s in below if isinstance(s, dict)]
        texts = {k: [v for v in values if isinstance(v, str)] for k, values in found.items()}
        return {k: "\n".join(texts[k]) if len(texts[k]) == len(v) else v[0] for k, v in found.items()}

    def label(self, member: Conj) -> str:
        """Return the title of a member of a union, or the name of the component that it is, or nothing."""
        title = self.words(member).get("title")
        if isinstance(title, str) and title.strip():
            return title.strip()
        return self._component(member)

    def _component(self, member: Conj) -> str:
        reference = member[0].get("$ref") if len(member) == 1 and isinstance(member[0], dict) else None
        return reference.rpartition("/")[2] if isinstance(reference, str) and "/" in reference else ""

    def names(self, cases: list[Case]) -> list[str]:
        """Return what to call each of the members of a union: a title, the value that says which it is, its type."""
        offered = [self._offered(case, tag) for case, tag in zip(cases, self.tags(cases), strict=True)]
        users: dict[str, set[tuple[int, ...]]] = {}
        for case, names in zip(cases, offered, strict=True):
            for name in names:
                users.setdefault(name, set()).add(tuple(map(id, case.member or (case,))))
        return [
            next((n for n in names if n and len(users[n]) == 1), f"{_kind(case)} #{number}")
            for number, (case, names) in enumerate(zip(cases, offered, strict=True), 1)
        ]

    def _offered(self, case: Case, tag: frozenset[str]) -> list[str]:
        """Return what a member of a union may be called, the best first."""
        title = self.words(case.member or ()).get("title")
        kind = _kind(case)
        names = [title.strip() if isinstance(title, str) else "", "|".join(sorted(tag))]
        names += [self._component(case.member or ()), kind]
        names += [f"{kind} {f}" for f in case.rules.get("formats", ())]
        if "items" in case.rules:
            names += [f"{kind} of {t}" for t in sorted(self._peeked(case.rules["items"].rest)[0] or ())]
        properties = {n for f in case.rules.get("fields", ()) for n in f.properties} | {*case.rules.get("required", ())}
        return names + [f"{kind} with {p}" for p in sorted(properties)]

    def tags(self, cases: list[Case]) -> list[frozenset[str]]:
        """Return for each case the values of the property that tells the cases that are objects apart, if one does."""
        empty: frozenset[str] = frozenset()
        objects = [c for c in cases if c.type == "object" and c.rules.get("fields")]
        if len(objects) < 2:
            return [empty] * len(cases)
        common = set.intersection(*(set(c.rules["fields"][0].properties) for c in objects))
        for name in sorted(common, key=lambda n: (not all(n in c.rules.get("required", ()) for c in objects), n)):
            values = [self._peeked(c.rules["fields"][0].properties[name])[1] for c in objects]
            if all(values) and len(set().union(*(v or () for v in values))) == sum(len(v or ()) for v in values):
                by_case = {id(c): frozenset(map(_unquoted, v or ())) for c, v in zip(objects, values, strict=True)}
                return [by_case.get(id(c), empty) for c in cases]
        return [empty] * len(cases)

    def _parts(self, conj: Conj) -> Iterator[Any]:
        """Yield the schemas that hold at one place: those given, what they refer to, the members of `allOf`."""
        seen: set[int] = set()
        todo = list(reversed(conj))
        while todo:
            schema = todo.pop()
            if schema is True or id(schema) in seen:
                continue
            yield schema
            if not isinstance(schema, dict):
                continue
            seen.add(id(schema))
            parts = schema.get("allOf")
            if isinstance(parts, list):
                todo += reversed(parts)
            if _is_double(schema.get("not")):
                todo.append(schema["not"]["not"])
            for key in ("$ref", "$dynamicRef"):
                if key in schema and (target := self.resolve(schema[key])) is not None:
                    todo.append(target)

    def _own(self, schema: Any) -> dict[str, Case]:
        """Return what a schema says itself, by type."""
        if schema is False:
            return {}
        if not isinstance(schema, dict):
            return {t: Case(t, others=[("keyword", ("", schema))]) for t in TYPES}
        cases = {t: Case(t) for t in TYPES}
        unknown: list[tuple[str, Any]] = []
        for key, value in schema.items():
            if key in _IGNORED or key in ANNOTATIONS or key.startswith("x-"):
                continue
            if not self._read(key, value, schema, cases):
                unknown.append((key, value))
        for key, value in sorted(unknown):
            for case in cases.values():
                case.others.append(("keyword", (key, value)))
        return cases

    def _read(self, key: str, value: Any, schema: dict[str, Any], cases: dict[str, Case]) -> bool:
        """Add a keyword to `cases`, or take those away that it excludes. False if it is not understood."""

        def keep(types: Iterable[str]) -> None:
            for t in cases.keys() - set(types):
                del cases[t]

        def rule(type_: str, name: str, said: Any) -> bool:
            if type_ in cases:
                cases[type_].rules[name] = (
                    _both(name, cases[type_].rules[name], said) if (name in cases[type_].rules) else said
                )
            return True

        match key:
            case "type":
                names = [value] if isinstance(value, str) else value
                if not isinstance(names, list) or not all(n == "integer" or n in TYPES for n in names):
                    return False
                keep("number" if n == "integer" else n for n in names)
                return rule("number", "multiple", Fraction(1)) if "number" not in names else True
            case "const" | "enum":
                values = value if key == "enum" else [value]
                if not isinstance(values, list):
                    return False
                by_type: dict[str, list[Any]] = {}
                for v in values:
                    by_type.setdefault(_type(v), []).append(v)
                keep(by_type)
                for t, found in by_type.items():
                    rule(t, "values", _once(found))
                return True
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
                name, exclusive = _BOUNDS[key]
                bound = _fraction(value)
                return bound is not None and rule("number", name, (bound, exclusive))
            case "multipleOf":
                step = _fraction(value)
                return step is not None and step > 0 and rule("number", "multiple", step)
            case "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties":
                if (size := _size(value)) is None:
                    return False
                return (key.startswith("min") and not size) or rule(_SIZES[key][0], key, size)
            case "pattern":
                return isinstance(value, str) and rule("string", "patterns", (value,))
            case "format":
                # which types a format speaks of is up to the format: int64 is said of strings as well
                return (
                    isinstance(value, str)
                    and rule("number", "formats", (value,))
                    and rule("string", "formats", (value,))
                )
            case "contentEncoding" | "contentMediaType":
                return isinstance(value, str) and rule("string", "encodings", (value,))
            case "uniqueItems":
                return isinstance(value, bool) and (not value or rule("array", "unique", True))
            case "prefixItems" | "items":
                if key == "items" and "prefixItems" in schema:
                    return True
                prefix, rest = schema.get("prefixItems", []), schema.get("items", True)
                if not isinstance(prefix, list) or not _is_schema(rest):
                    return False
                return (not prefix and rest in (True, {})) or rule(
                    "array", "items", Tuple(tuple(_conj(p) for p in prefix), _conj(rest))
                )
            case "contains":
                least, most = _size(schema.get("minContains", 1)), _size(schema.get("maxContains"))
                if not _is_schema(value) or least is None or (most is None and "maxContains" in schema):
                    return False
                return (not least and most is None) or rule("array", "contains", [(_conj(value), least, most)])
            case "minContains" | "maxContains":
                return "contains" not in schema or _size(value) is not None
            case "properties" | "patternProperties" | "additionalProperties":
                first = next(k for k in schema if k in ("properties", "patternProperties", "additionalProperties"))
                return self._read_fields(schema, rule) if key == first else True
            case "required":
                if not isinstance(value, list) or not all(isinstance(n, str) for n in value):
                    return False
                return not value or rule("object", "required", tuple(sorted(set(value))))
            case "propertyNames":
                return _is_schema(value) and rule("object", "names", _united(_conj(value), ANY_NAME))
            case "dependentRequired":
                if not isinstance(value, dict) or not all(_is_names(n) for n in value.values()):
                    return False
                return rule("object", "dependent", {k: tuple(sorted(set(n))) for k, n in value.items() if n})
            case "dependentSchemas":
                if not isinstance(value, dict) or not all(map(_is_schema, value.values())):
                    return False
                return rule("object", "dependentSchemas", {k: _united(_conj(s), ANY_OBJECT) for k, s in value.items()})
            case "unevaluatedProperties" | "unevaluatedItems":
                type_ = "object" if key == "unevaluatedProperties" else "array"
                if type_ in cases and value not in (True, {}):
                    cases[type_].others.append(("unevaluated", schema))
                return _is_schema(value)
            case "$ref" | "$dynamicRef":
                return self.resolve(value) is not None
            case "allOf":
                return isinstance(value, list)
            case "anyOf" | "oneOf":
                if not isinstance(value, list) or not value or not all(map(_is_schema, value)):
                    return False
                cells = self._union(value, key == "oneOf")
                keep(cells)
                for t in list(cases):
                    _constrain(cases, t, cells[t])
                return True
            case "not":
                if _is_double(value):
                    return True
                if not _is_schema(value):
                    return False
                for t, cell in self.node(_conj(value)).cells.items():
                    if t in cases:
                        if cell.free:
                            del cases[t]
                        else:
                            cases[t].others.append(("not", _conj(value)))
                return True
            case "if":
                then, otherwise = schema.get("then", True), schema.get("else", True)
                if not (_is_schema(value) and _is_schema(then) and _is_schema(otherwise)):
                    return False
                ways = [self.node(_conj(s)) for s in (then, otherwise)]
                for t in cases:
                    if not all(t in w.cells and w.cells[t].free for w in ways):
                        cases[t].others.append(("if", (_conj(value), _conj(then), _conj(otherwise))))
                return True
            case "then" | "else":
                return "if" not in schema or _is_schema(value)
        return False

    def _read_fields(self, schema: dict[str, Any], rule: Any) -> bool:
        properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        extra = schema.get("additionalProperties", True)
        if not (isinstance(properties, dict) and isinstance(patterns, dict) and _is_schema(extra)):
            return False
        if not all(map(_is_schema, (*properties.values(), *patterns.values()))):
            return False
        if extra in (True, {}):
            patterns = {k: s for k, s in patterns.items() if s not in (True, {})}
        if not properties and not patterns and extra in (True, {}):
            return True
        by_name = {k: _conj(s) for k, s in properties.items()}
        by_pattern = {k: _conj(s) for k, s in patterns.items()}
        return bool(rule("object", "fields", [Fields(by_name, by_pattern, _conj(extra))]))

    def _union(self, members: list[Any], one: bool) -> dict[str, Cell]:
        """Return the union of schemas by type. Members of which no two can hold at once need not be exclusive."""
        nodes = [(_conj(m), self.node(_conj(m))) for m in members]
        cells: dict[str, Cell] = {}
        for t in TYPES:
            found = [(m, n.cells[t]) for m, n in nodes if t in n.cells]
            pairs = combinations((c for _, c in found), 2)
            if len(found) == 1:
                inner = found[0][1]
                cells[t] = Cell([_of_member(found[0][0], c) for c in inner.cases], inner.exclusive)
            elif one and (len(found) > _TOLD_APART or not all(self._apart(a, b) for a, b in pairs)):
                # what any value of the type satisfies twice leaves none that satisfies exactly one
                if sum(c.free for _, c in found) < 2:
                    whole = [(m, c.cases[0] if len(c.cases) == 1 else Case(t, unions=[c])) for m, c in found]
                    cells[t] = Cell([_of_member(m, c) for m, c in whole], True)
            elif found:
                cases: list[Case] = []
                for m, cell in found:
                    apart = cell.exclusive or 1 < len(cell.cases) > _FLAT - len(cases)
                    inner_cases = [Case(t, unions=[cell])] if apart else cell.cases
                    cases += [_of_member(m, c) for c in inner_cases]
                cells[t] = Cell([Case(t)] if all(c.free for c in cases) else self._listed_together(cases))
        return cells

    def _listed_together(self, cases: list[Case]) -> list[Case]:
        """Return the cases with those that list values made one."""
        lists = [c for c in cases if c.listed]
        if len(lists) < 2:
            return cases
        told: dict[str, str] = {}
        for case in lists:
            words = self.words(case.member or ())
            text = " ".join(str(words[k]) for k in ("title", "description") if words.get(k))
            told |= {canonical(v): text for v in case.rules["values"] if text} | case.told
        values = _once([v for c in lists for v in c.rules["values"]])
        made = _settled(Case(lists[0].type, {"values": values}, member=(), told=told))
        return [made if c is lists[0] else c for c in cases if c is lists[0] or not c.listed] if made else cases

    def apart(self, one: Case, other: Case) -> bool:
        """Tell whether two cases of a type are seen to share no value."""
        a, b = one.rules, other.rules
        if "values" in a and "values" in b and one.keys.isdisjoint(other.keys):
            return True
        for low, high in (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties")):
            if a.get(low, 0) > b.get(high, math.inf) or b.get(low, 0) > a.get(high, math.inf):
                return True
        if one.type == "number" and any(
            "low" in x and "high" in y and _crossed(x["low"], y["high"]) for x, y in ((a, b), (b, a))
        ):
            return True
        return one.type == "object" and self._objects_apart(a, b)

    def _objects_apart(self, a: Rules, b: Rules) -> bool:
        for x, y in ((a, b), (b, a)):
            for fields in y.get("fields", ()):
                if not fields.patterns and any(False in fields.of(n) for n in x.get("required", ())):
                    return True
        for name in set(a.get("required", ())) & set(b.get("required", ())):
            for one in a.get("fields", ()):
                for other in b.get("fields", ()):
                    if name in one.properties and name in other.properties:
                        types, values = self._peeked(one.properties[name])
                        others, against = self._peeked(other.properties[name])
                        if values is not None and against is not None and not values & against:
                            return True
                        if types is not None and others is not None and not types & others:
                            return True
        return False

    def _apart(self, one: Cell, other: Cell) -> bool:
        if len(one.cases) * len(other.cases) > _VARIANTS:
            return False
        return all(self.apart(a, b) for a in one.cases for b in other.cases)

    def _peeked(self, conj: Conj) -> tuple[set[str] | None, set[str] | None]:
        """Return the types and the values (canonical) that a schema says in so many words; None where it does not."""
        key = tuple(map(id, conj))
        if key in self._peeks:
            return self._peeks[key]
        types: set[str] | None = None
        values: set[str] | None = None
        for part in self._parts(conj):
            if not isinstance(part, dict):
                continue
            said = part.get("type")
            if isinstance(said, str):
                own = {"number" if said == "integer" else said}
                types = own if types is None else types & own
            listed = [part["const"]] if "const" in part else part.get("enum")
            if isinstance(listed, list):
                keys = _keys(listed)
                values = keys if values is None else values & keys
                own = {_type(v) for v in listed}
                types = own if types is None else types & own
        self._peeks[key] = types, values
        return types, values


def _of_member(member: Conj, case: Case) -> Case:
    own = member if case.member is None else case.member
    return Case(case.type, case.rules, case.unions, case.others, own, case.told)


def _constrain(cases: dict[str, Case], t: str, union: Cell) -> None:
    """Let one of the cases of a type also be a member of a union, or take the type away if that cannot be."""
    if len(union.cases) == 1:
        merged = _merged(cases[t], union.cases[0])
        if merged is None:
            del cases[t]
        else:
            cases[t] = merged
    else:
        cases[t].unions.append(union)


def _hoisted(case: Case) -> Cell:
    """Return the cell of a case: of one that is nothing but a union, that union."""
    unions = [u for u in case.unions if not u.free]
    if not case.rules and not case.others:
        if len(unions) == 1:
            return unions[0]
        if case.unions and not unions:
            return case.unions[0]
    return Cell([Case(case.type, case.rules, unions, case.others, case.member, case.told)])


def _merged(one: Case, other: Case) -> Case | None:
    """Return the case in which both hold, or None if no value is seen to satisfy it."""
    rules = dict(one.rules)
    for name, said in other.rules.items():
        rules[name] = _both(name, rules[name], said) if name in rules else said
    member = other.member if one.member is None else one.member
    unions, others = [*one.unions, *other.unions], [*one.others, *other.others]
    return _settled(Case(one.type, rules, unions, others, member, one.told | other.told))


def _both(name: str, one: Any, other: Any) -> Any:
    """Return the rule that says what two rules of the same name say."""
    match name:
        case "values":
            wanted = _keys(other)
            return [v for v in one if canonical(v) in wanted]
        case "multiple":
            return common_step(one, other)
        case "low":
            return max(one, other)
        case "high":
            return min(one, other, key=lambda bound: (bound[0], not bound[1]))
        case "patterns" | "formats" | "encodings" | "required":
            return tuple(sorted({*one, *other}))
        case "unique":
            return True
        case "items":
            length = max(len(one.prefix), len(other.prefix))
            prefix = tuple(_united(one.at(i), other.at(i)) for i in range(length))
            return Tuple(prefix, _united(one.rest, other.rest))
        case "contains":
            return [*one, *other]
        case "fields":
            return _fields_together([*one, *other])
        case "names":
            return _united(one, other)
        case "dependent":
            return {k: tuple(sorted({*one.get(k, ()), *other.get(k, ())})) for k in {**one, **other}}
        case "dependentSchemas":
            return {k: _united(one.get(k, ()), other.get(k, ())) for k in {**one, **other}}
    return _SIZES[name][1](one, other)


def _fields_together(parts: list[Fields]) -> list[Fields]:
    """Return as few as can be. Which names a pattern takes from `extra` is not known without trying it, and a pattern
    of a document is not tried: parts with both stay apart."""
    made = parts[:1]
    for fields in parts[1:]:
        last = made[-1]
        if (last.patterns or fields.patterns) and (last.extra or fields.extra):
            made.append(fields)
            continue
        names = {**last.properties, **fields.properties}
        properties = {n: _united(last.of(n), fields.of(n)) for n in names}
        found = {**last.patterns, **fields.patterns}
        patterns = {k: _united(last.patterns.get(k, ()), fields.patterns.get(k, ())) for k in found}
        made[-1] = Fields(properties, patterns, _united(last.extra, fields.extra))
    return made


def _settled(case: Case) -> Case | None:
    """Return the case with what listed values make idle left out, or None if no value is seen to satisfy it."""
    rules = case.rules
    for name in ("low", "high"):
        if name in rules and "multiple" in rules:
            rules[name] = stepped(name, rules[name], rules["multiple"])
    if "values" in rules:
        rules["values"] = [v for v in rules["values"] if admits(rules, v)]
        if not rules["values"]:
            return None
        if case.type in ("null", "boolean", "number", "string"):
            for name in ("multiple", "low", "high", "minLength", "maxLength"):
                rules.pop(name, None)
        if len(rules["values"]) == {"null": 1, "boolean": 2}.get(case.type):
            del rules["values"]
    if "low" in rules and "high" in rules and _crossed(rules["low"], rules["high"]):
        return None
    if any(rules.get(f"min{n}", 0) > rules.get(f"max{n}", math.inf) for n in ("Length", "Items", "Properties")):
        return None
    for fields in rules.get("fields", ()):
        if not fields.patterns and any(False in fields.of(n) for n in rules.get("required", ())):
            return None
    return case


def stepped(name: str, bound: Bound, step: Fraction) -> Bound:
    """Return the bound that a `low` or `high` one means where only multiples of `step` are valid: the next of them."""
    value, exclusive = bound
    if name == "low":
        return ((math.floor(value / step) + 1 if exclusive else math.ceil(value / step)) * step, False)
    return ((math.ceil(value / step) - 1 if exclusive else math.floor(value / step)) * step, False)


def common_step(one: Fraction, other: Fraction) -> Fraction:
    """Return the least common multiple."""
    factors = one.numerator * other.denominator, other.numerator * one.denominator
    return Fraction(math.lcm(*factors), one.denominator * other.denominator)


def admits(rules: Rules, value: Any) -> bool:
    """Tell whether a value keeps the limits that `rules` set to numbers and lengths."""
    if isinstance(value, str):
        return bool(rules.get("minLength", 0) <= len(value) <= rules.get("maxLength", math.inf))
    number = _fraction(value)
    if number is None:
        return True
    return not (
        ("multiple" in rules and number % rules["multiple"])
        or ("low" in rules and _crossed(rules["low"], (number, False)))
        or ("high" in rules and _crossed((number, False), rules["high"]))
    )


def _crossed(low: Bound, high: Bound) -> bool:
    """Tell whether nothing lies between two bounds."""
    return low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))


def _kind(case: Case) -> str:
    return "integer" if case.type == "number" and whole(case.rules) else case.type


def whole(rules: Rules) -> bool:
    """Tell whether only integers are valid."""
    if "values" in rules:
        found = [_fraction(v) for v in rules["values"]]
        return all(f is not None and f.denominator == 1 for f in found)
    return "multiple" in rules and rules["multiple"].denominator == 1


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _fraction(value: Any) -> Fraction | None:
    """Return a JSON number as it is written: 0.1 is a tenth."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, float) and not math.isfinite(value))
    ):
        return None
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def _size(value: Any) -> int | None:
    """Return a length or a number of things, or None if it is not one."""
    size = _fraction(value)
    return int(size) if size is not None and size >= 0 and size.denominator == 1 else None


def _conj(schema: Any) -> Conj:
    return () if schema is True else (schema,)


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _is_double(value: Any) -> bool:
    """Tell whether what is denied is nothing but a denial."""
    return isinstance(value, dict) and value.keys() == {"not"} and _is_schema(value["not"])


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(n, str) for n in value)


def _keys(values: Iterable[Any]) -> set[str]:
    return {canonical(v) for v in values}


def _once(values: list[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for value in values:
        found.setdefault(canonical(value), value)
    return list(found.values())


def _unquoted(text: str) -> str:
    value = json.loads(text)
    return value if isinstance(value, str) else text
